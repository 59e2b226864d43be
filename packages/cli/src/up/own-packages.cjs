// Loaded first (--require) by a service file that has no @wherry packages of its own: whatever Node can't find under
// `@wherry/` is Wherry's own copy. What is installed beside the file always comes first. Touches no other package.
"use strict";

const { registerHooks } = require("node:module");
const { pathToFileURL } = require("node:url");

const own = pathToFileURL(__filename).href;

registerHooks({
  resolve(specifier, context, nextResolve) {
    if (!specifier.startsWith("@wherry/")) return nextResolve(specifier, context);
    try {
      return nextResolve(specifier, context);
    } catch (error) {
      if (error.code !== "ERR_MODULE_NOT_FOUND" && error.code !== "MODULE_NOT_FOUND") throw error;
      return nextResolve(specifier, { ...context, parentURL: own });
    }
  },
});
