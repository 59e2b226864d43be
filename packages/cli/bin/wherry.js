#!/usr/bin/env node
// The command's entry: plain JavaScript that any Node can read, so that an old one gets one clear line.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `wherry: needs Node 22.18 or newer, this is ${process.versions.node} (${process.execPath}). Install a newer Node, or run it through npm in a project that pins one.\n`,
  );
  process.exit(2);
}
await import("#main");
