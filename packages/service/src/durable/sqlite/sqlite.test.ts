// The broker in a file keeps what every broker promises; what befalls its file is in faults.test.ts.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SystemClock, SystemRandom, silentLogger } from "@wherry/core";
import { afterAll, describe } from "vitest";
import { describeBroker } from "../broker.suite.ts";
import { traceGoesThrough } from "../traced.suite.ts";
import { openSqliteBroker } from "./broker.ts";

const common = { clock: new SystemClock(), random: new SystemRandom(), log: silentLogger, dedupeWindowMs: 60_000 };

describeBroker("the broker in a SQLite file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "wherry-broker-"));
  return {
    open: () => openSqliteBroker({ ...common, path: join(folder, "new", "broker.db") }),
    cleanUp: async () => rmSync(folder, { recursive: true }),
  };
});

describe("a trace in a SQLite file", () => {
  const folder = mkdtempSync(join(tmpdir(), "wherry-broker-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  traceGoesThrough(() => `sqlite://${join(folder, "traced.db")}`);
});
