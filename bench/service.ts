// The service framework with everything on (deadline, credit, metrics, trace context, schema), beside raw zeromq.js and other frameworks:
// rates, what a request costs, how overload and a rolling update are borne, and what an installed service weighs.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { installService } from "./install.ts";
import { measureInstalled } from "./service/installed.ts";
import { measureOverload } from "./service/overload.ts";
import { measureRollout } from "./service/rollout.ts";
import { measureSpending } from "./service/spending.ts";
import type { Bench, Row } from "./types.ts";
import { Children } from "./zmtp/children.ts";
import { fullPlan, type Plan, quickPlan } from "./zmtp/plan.ts";
import { measureGroup } from "./zmtp/rates.ts";

export const bench: Bench = async ({ quick, print }) => {
  const groups: Plan["groups"] = [{ kind: "service", bytes: 64, outstanding: [1, 10, 100, 1_000] }];
  const plan = { ...(quick ? quickPlan : fullPlan), groups };
  const nats = spawnSync("nats-server", ["--version"]).status === 0;
  if (!nats) print("nats-micro is left out: there is no nats-server (Debian: nats-server)");
  const scratch = mkdtempSync(join(tmpdir(), "wherry-bench-service-"));
  await using children = new Children(undefined, nats ? [] : ["nats-micro"]);
  const load = (): string => `load ${loadavg()[0]?.toFixed(1) ?? "unknown"}`;
  print(`medians of ${plan.runs} runs of ${plan.measureMs} ms, (lowest–highest); ${load()} at the start`);
  try {
    const rows: Row[] = [];
    for (const group of groups) rows.push(...(await measureGroup(group, plan, children, print)));
    rows.push(...(await measureSpending(quick ? 50_000 : 500_000, children, print)));
    rows.push(...(await measureOverload(quick ? 2 : 10, print)));
    const installed = join(scratch, "installed");
    installService(installed);
    rows.push(...(await measureRollout(installed, quick ? 3 : 10, quick ? 1 : plan.runs, print)));
    rows.push(...(await measureInstalled(installed, scratch, quick ? 1 : 3)));
    print(`${load()} at the end`);
    return rows;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
};
