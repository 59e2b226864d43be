// Heartbeats between our socket and libzmq's, either way: ours in virtual time, so that nobody is too late on a busy machine.
import type { VirtualClock } from "@wherry/core/testing";
import { expect } from "vitest";
import type * as zmq from "zeromq";
import { until } from "./harness.suite.ts";
import type { RouterSocket } from "./index.ts";

/** @param clock of `ours`, whose heartbeats come each second @param theirs makes a socket with these options, too */
export async function expectHeartbeats(
  ours: RouterSocket,
  clock: VirtualClock,
  endpoint: string,
  theirs: (options: object) => zmq.Dealer,
): Promise<void> {
  const heartbeats = { heartbeatInterval: 20, heartbeatTimeout: 60_000, heartbeatTimeToLive: 60_000 };
  theirs(heartbeats).connect(endpoint);
  await until(() => ours.peers.size === 1);
  theirs({}).connect(endpoint);
  await until(() => ours.peers.size === 2);
  const [pinging, quiet] = [...ours.peers.values()];
  if (pinging === undefined || quiet === undefined) throw new Error("expected two peers");
  // As long as our time stands still, what we send are answers.
  const { bytesOut } = pinging;
  await until(() => pinging.bytesOut > bytesOut + 100);
  for (let second = 0; second < 10; second++) {
    const before = [pinging.bytesIn, quiet.bytesIn] as const;
    await clock.advance(1_000);
    await until(() => pinging.bytesIn > before[0] && quiet.bytesIn > before[1]);
  }
  expect([...ours.peers.values()]).toEqual([pinging, quiet]);
  expect(ours.counters.disconnected).toBe(0);
}
