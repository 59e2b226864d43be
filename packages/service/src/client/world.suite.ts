// What tests of the client share: pods on a network in memory, one client of them, and a clock that stands still.
import { silentLogger } from "@wherry/core";
import { SeededRandom, VirtualClock } from "@wherry/core/testing";
import { afterEach, expect } from "vitest";
import type { Ending } from "../server/hand-back.ts";
import { Server } from "../server/server.ts";
import type { Methods, ServiceDefinition } from "../service.ts";
import { service } from "../define.ts";
import { MemoryNetwork, type MemoryRouter } from "../testing/memory-network.ts";
import { ClientCore, type ClientCoreOptions } from "./core.ts";
import type { DiscoveryProblem, Target } from "./discovery.ts";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Pods on a network in memory, and one client of them; the test holds the clock and the list of endpoints. */
export function world(options: Partial<ClientCoreOptions> = {}) {
  const network = new MemoryNetwork();
  const clock = new VirtualClock();
  let tell: (targets: readonly Target[]) => void = () => undefined;
  let trouble: (problem: DiscoveryProblem) => void = () => undefined;
  const client = new ClientCore({
    service: "test",
    name: "client",
    deadlineMs: 5000,
    discovery: { start: (listener, _signal, problem) => ([tell, trouble] = [listener, problem]) },
    socket: () => network.dealer(),
    random: new SeededRandom(1),
    log: silentLogger,
    clock,
    ...options,
  });
  cleanups.push(() => client.close());

  async function pod<const M extends Methods>(
    name: string,
    definition: ServiceDefinition<M>,
    podUid?: string,
    serviceName = "test",
  ): Promise<{ router: MemoryRouter; server: Server; crashes: Ending[] }> {
    const router = network.router();
    const crashes: Ending[] = [];
    const onCrash = (ending: Ending): unknown => crashes.push(ending);
    const options = { clock, log: silentLogger, instance: name, pod: podUid, onCrash };
    const server = new Server(router, service(serviceName, definition), options);
    cleanups.push(() => server.close());
    await server.listen(`tcp://${name}`);
    return { router, server, crashes };
  }

  const list = (...targets: (string | (Partial<Target> & { name: string }))[]): void =>
    tell(
      targets.map((target) => {
        const { name, ...rest } = typeof target === "string" ? { name: target } : target;
        return { address: `tcp://${name}`, pod: undefined, name, ready: true, serving: true, ...rest };
      }),
    );
  const available = (count: number): Promise<void> => expect.poll(() => client.counters.available).toBe(count);
  const problem = (lasting: boolean): void => trouble({ error: new Error("no cluster here"), lasting });
  return { network, clock, client, pod, list, problem, available };
}

/** A method that notes who ran what. */
export function noting(ran: string[], name: string): ServiceDefinition<{ who: (body: unknown) => string }> {
  return {
    methods: {
      who: (body) => {
        ran.push(`${name}:${String(body)}`);
        return name;
      },
    },
  };
}

/** A method that never ends, and notes that it began. */
export function hanging(began: unknown[], extra: { idempotent?: boolean; keyed?: boolean } = {}) {
  const handler = (body: unknown): Promise<string> => {
    began.push(body);
    return new Promise(() => undefined);
  };
  return { methods: { who: { handler, ...extra } } };
}
