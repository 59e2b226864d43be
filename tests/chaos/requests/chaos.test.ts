// Each scenario with a short load; all of them mixed for minutes is `npm run chaos`.
import { describe, expect, test } from "vitest";
import { isClean, summary } from "./books.ts";
import { runChaos } from "./run.ts";
import { scenarios } from "./scenarios.ts";

const seed = Number(process.env["CHAOS_SEED"] ?? 1);

describe("no request is lost, and none that may not be is executed twice", () => {
  test.each(scenarios.map((scenario) => [scenario.name, scenario] as const))(
    "%s",
    async (_name, scenario) => {
      const verdict = await runChaos({
        ...{ seed, scenarios: [scenario], brief: true, callers: 2, concurrency: 10 },
        say: () => undefined,
      });
      expect(isClean(verdict), `${summary(verdict)}\n${verdict.findings.join("\n")}`).toBe(true);
    },
    120_000,
  );
});
