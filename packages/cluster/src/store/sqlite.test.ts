import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeBackend } from "./backend.suite.ts";
import { openSqliteBackend } from "./sqlite.ts";

describeBackend(
  "the store on SQLite",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "wherry-store-"));
    return {
      open: (options) => openSqliteBackend({ path: join(folder, "store.db"), ...options }),
      survivesRestart: true,
      cleanUp: () => rmSync(folder, { recursive: true }),
    };
  },
  100,
);
