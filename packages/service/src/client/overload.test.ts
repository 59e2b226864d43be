// Ten times as many calls as the service can answer, in virtual time: it must not spend itself on those that nobody waits for any more.
import { silentLogger } from "@wherry/core";
import { SeededRandom, VirtualClock } from "@wherry/core/testing";
import { expect, test } from "vitest";
import { Server } from "../server/server.ts";
import { service } from "../define.ts";
import { MemoryNetwork } from "../testing/memory-network.ts";
import { ClientCore } from "./core.ts";

const workMs = 50;
const deadlineMs = 1_000;
const everyMs = workMs / 10;
const forMs = 10_000;

test("at ten times the capacity nine tenths of it are answered in time", async () => {
  const clock = new VirtualClock();
  const network = new MemoryNetwork();
  const methods = { work: async () => clock.sleep(workMs) };
  const server = new Server(network.router(), service("test", { methods }), {
    clock,
    log: silentLogger,
    instance: "i",
  });
  await server.listen("tcp://server");
  const targets = [{ address: "tcp://server", pod: undefined, ready: true, serving: true }];
  const client = new ClientCore({
    ...{ service: "test", name: "client", deadlineMs, clock, random: new SeededRandom(1), log: silentLogger },
    socket: () => network.dealer(),
    discovery: { start: (tell) => tell(targets) },
  });
  let answered = 0;
  const failures = new Set<unknown>();
  for (let nowMs = 0; nowMs < forMs; nowMs += everyMs) {
    client.call("work", undefined).then(
      () => answered++,
      (error: unknown) => failures.add((error as { readonly code?: unknown }).code),
    );
    await clock.advance(everyMs);
  }
  const capacity = forMs / workMs;
  expect(answered).toBeGreaterThanOrEqual(capacity * 0.9);
  await clock.advance(deadlineMs);
  // What was not answered says so, each with its fate.
  expect([...failures].every((code) => code === "UNAVAILABLE" || code === "DEADLINE_EXCEEDED")).toBe(true);
  await client.close();
  await server.close();
});
