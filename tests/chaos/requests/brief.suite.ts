// Scenarios of one severity, each with a short load; all of them mixed for minutes is `npm run chaos`.
import { describe, expect, test } from "vitest";
import { isClean, summary } from "./books.ts";
import { runChaos } from "./run.ts";
import { scenarios } from "./scenarios.ts";
import type { Severity } from "./types.ts";

const seed = Number(process.env["CHAOS_SEED"] ?? 1);

export function briefly(...severities: readonly Severity[]): void {
  const chosen = scenarios.filter(({ severity }) => severities.includes(severity));
  describe("no request is lost, and none that may not be is executed twice", () => {
    test.each(chosen.map((scenario) => [scenario.name, scenario] as const))(
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
}
