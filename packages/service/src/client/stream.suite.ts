// What tests of streams share: pods on a network in memory with a client of them, in virtual time, and a stream of each kind.
import { silentLogger } from "@wherry/core";
import { SeededRandom, VirtualClock } from "@wherry/core/testing";
import { afterEach, expect } from "vitest";
import { z } from "zod";
import type { Ending } from "../server/hand-back.ts";
import { equip } from "../server/serve.ts";
import { Server } from "../server/server.ts";
import { method, service } from "../define.ts";
import type { Methods, ServiceDefinition } from "../service.ts";
import { MemoryNetwork, type MemoryRouter } from "../testing/memory-network.ts";
import { ClientCore } from "./core.ts";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Pods on a network in memory, and one client of them; the test holds the clock. */
export function world() {
  const network = new MemoryNetwork();
  const clock = new VirtualClock();
  const addresses: string[] = [];
  let tell: () => void = () => undefined;
  const client = new ClientCore({
    ...{ service: "test", name: "client", deadlineMs: 5000, random: new SeededRandom(1), log: silentLogger, clock },
    socket: () => network.dealer(),
    discovery: {
      start: (listener) => {
        tell = () => listener(addresses.map((address) => ({ address, pod: undefined, ready: true, serving: true })));
      },
    },
  });
  cleanups.push(() => client.close());

  async function pod<const M extends Methods>(
    name: string,
    definition: ServiceDefinition<M>,
  ): Promise<{ router: MemoryRouter; server: Server; crashes: Ending[] }> {
    const router = network.router();
    const crashes: Ending[] = [];
    const onCrash = (ending: Ending): unknown => crashes.push(ending);
    const server = new Server(router, service("test", definition), {
      ...{ clock, log: silentLogger, instance: name, onCrash },
    });
    await equip(server);
    cleanups.push(() => server.close());
    await server.listen(`tcp://${name}`);
    addresses.push(`tcp://${name}`);
    const before = client.counters.available;
    tell();
    await expect.poll(() => client.counters.available).toBe(before + 1);
    return { router, server, crashes };
  }
  return { network, clock, client, pod };
}

export async function read(stream: AsyncIterable<unknown>, most = Number.POSITIVE_INFINITY): Promise<unknown[]> {
  const items: unknown[] = [];
  for await (const item of stream) if (items.push(item) >= most) break;
  return items;
}

/** Counts from 1, for ever or up to `to`; notes how far it came, and that its `finally` ran. */
export function counting(made: { last: number; ended: boolean }, extra: { endless?: boolean } = {}) {
  return method({
    stream: "out",
    ...extra,
    async *handler({ to = Number.POSITIVE_INFINITY }: { to?: number }) {
      try {
        for (let n = 1; n <= to; n++) {
          made.last = n;
          yield n;
        }
        return "all";
      } finally {
        made.ended = true;
      }
    },
  });
}

export const sum = method({
  stream: "in",
  input: z.number(),
  handler: async (items) => {
    let total = 0;
    for await (const item of items) total += item;
    return total;
  },
});

export const double = method({
  stream: "both",
  input: z.number(),
  async *handler(items) {
    let count = 0;
    for await (const item of items) {
      count++;
      yield 2 * item;
    }
    return count;
  },
});

export const from1 = (to: number): number[] => Array.from({ length: to }, (_, index) => index + 1);
