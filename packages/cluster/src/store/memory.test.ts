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
