// ZMTP sockets against those of libzmq, against HTTP and gRPC, and against bare TCP: rates, and memory. Client and server are
// processes of their own over loopback; libraries take turns on the same row in the same run, and medians count.
import { loadavg } from "node:os";
import { pythonWithZmq } from "../tests/support/python.ts";
import type { Bench, Row } from "./types.ts";
import { Children } from "./zmtp/children.ts";
import { measureFlatness, measureIdlePeers } from "./zmtp/memory.ts";
import { fullPlan, quickPlan } from "./zmtp/plan.ts";
import { measureGroup } from "./zmtp/rates.ts";

export const bench: Bench = async ({ quick, print }) => {
  const plan = quick ? quickPlan : fullPlan;
  const python = pythonWithZmq();
  if (python === undefined) print("pyzmq is left out: no python3 can import zmq (Debian: python3-zmq)");
  await using children = new Children(python);
  const load = (): string => `load ${loadavg()[0]?.toFixed(1) ?? "unknown"}`;
  print(`medians of ${plan.runs} runs of ${plan.measureMs} ms, (lowest–highest); ${load()} at the start`);
  if (quick)
    print(
      `quick: fewer rows, ${plan.idlePeers} idle peers instead of ${fullPlan.idlePeers}, ` +
        `${plan.flatMessages} messages for memory-flat instead of ${fullPlan.flatMessages}`,
    );
  const rows: Row[] = [];
  for (const group of plan.groups) rows.push(...(await measureGroup(group, plan, children, print)));
  rows.push(await measureIdlePeers(plan, children, print));
  rows.push(...(await measureFlatness(plan, children, print)));
  print(`${load()} at the end`);
  return rows;
};
