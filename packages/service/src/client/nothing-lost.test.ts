// Pods die, leave, crash, freeze and come back at random under load, in memory and in virtual time. What the rules of the
// protocol promise must hold whatever happens: every call settles, and what the client says of a failed one is true.
import { asError, silentLogger } from "@wherry/core";
import { SeededRandom, VirtualClock } from "@wherry/core/testing";
import { expect, test } from "vitest";
import { ServiceError } from "../errors.ts";
import { Server } from "../server/server.ts";
import { service } from "../service.ts";
import { MemoryNetwork, type MemoryRouter } from "../testing/memory-network.ts";
import { ClientCore } from "./core.ts";

interface Fate {
  readonly executions: number;
  readonly error: unknown;
}

interface Pod {
  router: MemoryRouter;
  server: Server;
}

const callCount = 150;
const podCount = 3;
const seeds = Array.from({ length: 25 }, (_, index) => index + 1);

/** Runs one story and tells what became of each call. */
async function story(seed: number, idempotent: boolean): Promise<Fate[]> {
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
  const client = new ClientCore({
    ...{ service: "test", name: "client", deadlineMs: 3000, clock, random: new SeededRandom(seed), log: silentLogger },
    socket: () => network.dealer(),
    discovery: {
      start: (tell) => tell(names.map((address) => ({ address, pod: undefined, ready: true, serving: true }))),
    },
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

  const fates: Promise<Fate>[] = [];
  for (let body = 0; body < callCount; body++) {
    const call = client.call("work", body);
    const settled = call.then((value) => expect(value).toBe(body)).then(() => undefined);
    fates.push(settled.catch((error: unknown) => error).then((error) => ({ executions: executions[body]!, error })));
    if (random.below(4) === 0) await trouble();
    await clock.advance(random.below(10));
  }
  for (const pod of pods) pod.router.thaw();
  await clock.advance(4000);
  const settled = await Promise.all(fates);
  await client.close();
  await Promise.all(servers.map((server) => server.close()));
  await clock.advance(10_000);
  return settled;
}

test.each(seeds)("no call that may not be repeated runs twice, and none is lost (seed %i)", async (seed) => {
  for (const { executions, error } of await story(seed, false)) {
    if (error === undefined) expect(executions).toBe(1);
    else {
      if (!ServiceError.is(error)) throw asError(error);
      expect(["ABORTED", "DEADLINE_EXCEEDED", "UNAVAILABLE", "REFUSED", "BUSY"]).toContain(error.code);
      expect(executions).toBeLessThanOrEqual(error.fate === "not-started" ? 0 : 1);
    }
  }
});

test.each(seeds)("an idempotent call fails only when its deadline passes (seed %i)", async (seed) => {
  for (const { executions, error } of await story(seed, true)) {
    if (error === undefined) expect(executions).toBeGreaterThanOrEqual(1);
    else {
      if (!ServiceError.is(error)) throw asError(error);
      expect(["DEADLINE_EXCEEDED", "UNAVAILABLE"]).toContain(error.code);
      if (error.fate === "not-started") expect(executions).toBe(0);
    }
  }
});
