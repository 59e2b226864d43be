// The store in memory keeps the promises of `types.ts`, but for the one about a restart.
import { describeBackend } from "./backend.suite.ts";
import { openMemoryBackend } from "./memory.ts";

describeBackend(
  "the store in memory",
  () => ({
    open: (options) => Promise.resolve(openMemoryBackend(options)),
    survivesRestart: false,
    cleanUp: () => undefined,
  }),
  400,
);
