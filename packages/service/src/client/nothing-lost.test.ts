// Pods die, leave, crash, freeze and come back at random under load, in memory and in virtual time. What the rules of the
// protocol promise must hold whatever happens: every call settles, and what the client says of a failed one is true.
import { asError, silentLogger } from "@wherry/core";
import { SeededRandom, VirtualClock } from "@wherry/core/testing";
import { describe, expect, test } from "vitest";
import { ServiceError } from "../errors.ts";
import { Server } from "../server/server.ts";
import { service } from "../define.ts";
import { MemoryNetwork, type MemoryRouter } from "../testing/memory-network.ts";
import { ClientCore, type ClientCoreOptions } from "./core.ts";
import type { Target } from "./discovery.ts";
import type { CallOptions } from "./types.ts";

interface Fate {
  /** Over the whole story: also what ran after the caller had its error. */
  readonly executions: number;
  readonly error: unknown;
}

/** What a client may be told to do, beside the defaults. */
interface Manner extends Partial<ClientCoreOptions> {
  readonly call?: (body: number) => CallOptions;
  /** Discovery tells now these, now those of the pods. */
  readonly churn?: boolean;
}

const manners: Readonly<Record<string, Manner>> = {
  "by default": {},
  "that hedges": { hedge: { afterMs: 8, max: 2 } },
  "that gives up slow attempts": { retry: { attemptTimeoutMs: 15 }, balance: "latency" },
  "that ejects at the first failure": { outliers: { failures: 1, ejectMs: 50, ejectedShareMax: 0.7 } },
  "whose endpoints come and go": { churn: true, balance: "round-robin" },
  "with affinity and single instances": {
    call: (body) => (body % 3 === 0 ? { to: `tcp://${body % podCount}` } : { affinity: `key-${body % 7}` }),
    churn: true,
  },
  "that does all of it": {
    ...{ hedge: { afterMs: 8 }, retry: { attemptTimeoutMs: 25 }, outliers: { failures: 2, ejectMs: 50 }, churn: true },
    call: (body) => (body % 4 === 0 ? { affinity: `key-${body % 7}` } : {}),
  },
};

interface Pod {
  router: MemoryRouter;
  server: Server;
}

const callCount = 150;
const podCount = 3;
const seeds = Array.from({ length: 12 }, (_, index) => index + 1);

/** Runs one story and tells what became of each call. */
async function story(seed: number, idempotent: boolean, manner: Manner): Promise<Fate[]> {
  const random = new SeededRandom(seed);
  const clock = new VirtualClock();
  const network = new MemoryNetwork();
  const executions = new Array<number>(callCount).fill(0);
  const servers: Server[] = [];

  const work = service("test", {
    queueMax: 5,
    methods: {
      work: {
        idempotent,
        handler: async (body: number) => {
          executions[body] = (executions[body] ?? 0) + 1;
          await clock.sleep(random.below(30));
          return body;
        },
      },
    },
  });
  async function start(name: string): Promise<Pod> {
    const router = network.router();
    const onCrash = (): void => undefined;
    const server = new Server(router, work, { clock, log: silentLogger, instance: random.uuid(), onCrash });
    servers.push(server);
    await server.listen(name);
    return { router, server };
  }

  const names = Array.from({ length: podCount }, (_, index) => `tcp://${index}`);
  const pods = await Promise.all(names.map(start));
  let tell: (targets: readonly Target[]) => void = () => undefined;
  const list = (some: readonly string[]): void =>
    tell(some.map((address) => ({ address, pod: undefined, ready: true, serving: true })));
  const client = new ClientCore({
    ...{ service: "test", name: "client", deadlineMs: 3000, clock, random: new SeededRandom(seed), log: silentLogger },
    socket: () => network.dealer(),
    discovery: {
      start: (listener) => {
        tell = listener;
        list(names);
      },
    },
    ...manner,
  });

  /** Something happens to one pod; whoever ended is started again. */
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
        () => pod.server.crash(new Error("bug")),
        () => pod.router.freeze(),
        () => pod.router.thaw(),
      ];
      events[random.below(events.length)]?.();
    }
  }

  const errors: Promise<unknown>[] = [];
  for (let body = 0; body < callCount; body++) {
    const call = client.call("work", body, manner.call?.(body));
    errors.push(
      call
        .then((value) => expect(value).toBe(body))
        .then(
          () => undefined,
          (error: unknown) => error,
        ),
    );
    if (random.below(4) === 0) await trouble();
    // Never none, as every discovery promises.
    if (manner.churn === true && random.below(5) === 0) {
      const some = names.filter(() => random.below(2) === 0);
      list(some.length === 0 ? names : some);
    }
    await clock.advance(random.below(10));
  }
  for (const pod of pods) pod.router.thaw();
  list(names);
  await clock.advance(4000);
  const settled = await Promise.all(errors);
  expect(client.counters).toMatchObject({ calls: callCount, waiting: 0 });
  await client.close();
  await Promise.all(servers.map((server) => server.close()));
  await clock.advance(10_000);
  return settled.map((error, body) => ({ error, executions: executions[body]! }));
}

describe.each(Object.entries(manners))("a client %s", (_name, manner) => {
  test.each(seeds)("no call that may not be repeated runs twice, and none is lost (seed %i)", async (seed) => {
    for (const { executions, error } of await story(seed, false, manner)) {
      if (error === undefined) expect(executions).toBe(1);
      else {
        if (!ServiceError.is(error)) throw asError(error);
        expect(["ABORTED", "DEADLINE_EXCEEDED", "UNAVAILABLE", "REFUSED", "BUSY"]).toContain(error.code);
        expect(executions).toBeLessThanOrEqual(error.fate === "not-started" ? 0 : 1);
      }
    }
  });

  test.each(seeds)(
    "an idempotent call fails only when its deadline passes, or four pods died with it (seed %i)",
    async (seed) => {
      for (const { executions, error } of await story(seed, true, manner)) {
        if (error === undefined) expect(executions).toBeGreaterThanOrEqual(1);
        else {
          if (!ServiceError.is(error)) throw asError(error);
          if (error.code === "ABORTED") expect(error.details["crashes"]).toBeGreaterThanOrEqual(2);
          else expect(["DEADLINE_EXCEEDED", "UNAVAILABLE"]).toContain(error.code);
          if (error.fate === "not-started") expect(executions).toBe(0);
        }
      }
    },
  );
});
