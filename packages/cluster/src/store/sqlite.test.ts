// The store on SQLite keeps all promises of `types.ts`, over restarts too.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeBackend } from "./backend.suite.ts";
import { openSqliteBackend } from "./sqlite.ts";

/** In memory where there is such a folder: the promises are the same, and hundreds of stores need not wait for a disk. */
const parent = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

describeBackend(
  "the store on SQLite",
  () => {
    const folder = mkdtempSync(join(parent, "wherry-store-"));
    return {
      open: (options) => openSqliteBackend({ path: join(folder, "store.db"), ...options }),
      survivesRestart: true,
      cleanUp: () => rmSync(folder, { recursive: true }),
    };
  },
  100,
);
