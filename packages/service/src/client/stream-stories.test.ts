// Many streams while pods die, leave, freeze and come back at random, in memory and in virtual time. What must hold whatever happens:
// every stream ends exactly once on both sides, and what came of its items is a beginning of what was sent, in order, each once.
import { silentLogger } from "@wherry/core";
import { SeededRandom, VirtualClock } from "@wherry/core/testing";
import { expect, test } from "vitest";
import { ServiceError } from "../errors.ts";
import { equip } from "../server/serve.ts";
import { Server } from "../server/server.ts";
import { method, service } from "../define.ts";
import { MemoryNetwork, type MemoryRouter } from "../testing/memory-network.ts";
import { ClientCore } from "./core.ts";

const seeds = Array.from({ length: 20 }, (_, index) => index + 1);
const podCount = 3;
const streamCount = 60;

interface Story {
  /** Handlers begun and ended. */
  begun: number;
  ended: number;
}

async function tell(seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const clock = new VirtualClock();
  const network = new MemoryNetwork();
  const story: Story = { begun: 0, ended: 0 };
  const pause = async (): Promise<void> => (random.below(4) === 0 ? clock.sleep(random.below(20)) : undefined);

  const made = service("test", {
    streamsMax: 15,
    methods: {
      count: method({
        stream: "out",
        endless: true,
        async *handler(to: number) {
          story.begun++;
          try {
            for (let n = 1; n <= to; n++) {
              await pause();
              yield n;
            }
            return to;
          } finally {
            story.ended++;
          }
        },
      }),
      collect: method({
        stream: "in",
        handler: async (items: AsyncIterableIterator<number>) => {
          story.begun++;
          try {
            let last = 0;
            for await (const item of items) {
              if (item !== last + 1) throw new TypeError(`expected ${last + 1}, got ${item}`);
              last = item;
              await pause();
            }
            return last;
          } finally {
            story.ended++;
          }
        },
      }),
    },
  });

  interface Pod {
    readonly router: MemoryRouter;
    readonly server: Server;
  }
  const servers: Server[] = [];
  const crashes: unknown[] = [];
  async function start(name: string): Promise<Pod> {
    const router = network.router();
    const onCrash = (ending: unknown): unknown => crashes.push(ending);
    const server = new Server(router, made, { clock, log: silentLogger, instance: random.uuid(), onCrash });
    servers.push(server);
    await equip(server);
    await server.listen(name);
    return { router, server };
  }
  const names = Array.from({ length: podCount }, (_, index) => `tcp://${index}`);
  const pods = await Promise.all(names.map(start));
  const client = new ClientCore({
    ...{ service: "test", name: "client", deadlineMs: 3000, clock, random: new SeededRandom(seed), log: silentLogger },
    socket: () => network.dealer(),
    discovery: {
      start: (listen) => listen(names.map((address) => ({ address, pod: undefined, ready: true, serving: true }))),
    },
  });

  async function trouble(): Promise<void> {
    const index = random.below(podCount);
    const pod = pods[index]!;
    if (pod.server.state === "ended") pods[index] = await start(names[index]!);
    else {
      const events = [
        () => {
          pod.router.kill();
          void pod.server.close();
        },
        () => void pod.server.drain({ timeoutMs: random.below(200), minimumMs: 0 }),
        () => pod.router.freeze(),
        () => pod.router.thaw(),
      ];
      events[random.below(events.length)]?.();
    }
  }

  /** Reads a stream to its end, or leaves it early; tells how it ended. */
  async function readOut(to: number): Promise<string> {
    const stream = client.stream("count", to);
    const leaveAt = random.below(3) === 0 ? random.below(to + 1) : to + 1;
    let last = 0;
    let ends = 0;
    stream.result.then(
      () => ends++,
      () => ends++,
    );
    try {
      for await (const item of stream) {
        expect(item).toBe(last + 1);
        last = item as number;
        if (last >= leaveAt) break;
        await pause();
      }
      if (last < leaveAt) expect([last, await stream.result]).toEqual([to, to]);
    } catch (error) {
      if (!ServiceError.is(error)) throw error;
      expect(["ABORTED", "UNAVAILABLE"]).toContain(error.code);
    }
    await stream.result.catch(() => undefined);
    await Promise.resolve();
    expect(ends).toBe(1);
    return "over";
  }

  async function sendIn(to: number): Promise<string> {
    let given = 0;
    async function* items() {
      for (let n = 1; n <= to; n++) {
        await pause();
        given = n;
        yield n;
      }
    }
    try {
      expect(await client.stream("collect", items()).result).toBe(to);
      expect(given).toBe(to);
    } catch (error) {
      if (!ServiceError.is(error)) throw error;
      expect(["ABORTED", "UNAVAILABLE", "REFUSED"]).toContain(error.code);
      // Refused: not one of its items was asked for, or they went with it to the pod that took it.
      if (error.fate === "not-started") expect(given).toBe(0);
    }
    return "over";
  }

  const all: Promise<string>[] = [];
  for (let index = 0; index < streamCount; index++) {
    all.push(random.below(2) === 0 ? readOut(random.below(700)) : sendIn(random.below(700)));
    if (random.below(4) === 0) await trouble();
    await clock.advance(random.below(20));
  }
  let over = 0;
  for (const each of all)
    void each.then(
      () => over++,
      () => over++,
    );
  for (let round = 0; round < 4000 && over < streamCount; round++) {
    if (round === 50) for (const pod of pods) pod.router.thaw();
    await clock.advance(50);
  }
  expect(await Promise.all(all)).toEqual(all.map(() => "over"));
  await client.close();
  await Promise.all(servers.map((server) => server.close()));
  await clock.advance(10_000);
  // Nobody is left behind: every handler that began has ended, and no connection holds a stream.
  expect(story.ended).toBe(story.begun);
  expect(servers.flatMap(({ sessions }) => [...sessions.values()].map(({ streams }) => streams.size))).toEqual(
    servers.flatMap(({ sessions }) => [...sessions.values()].map(() => 0)),
  );
  expect(crashes).toEqual([]);
}

test.each(seeds)("streams survive whatever befalls their pods (seed %i)", tell);
