// A service in memory, with as many pods as a test asks for, and everything that befalls pods at the test's command.
import { type Clock, type Logger, type Random, silentLogger, SystemClock, WherryError } from "@wherry/core";
import { SeededRandom } from "@wherry/core/testing";
import { connectOver } from "../client/connect.ts";
import type { Target } from "../client/discovery.ts";
import type { Client, ConnectOptions } from "../client/types.ts";
import type { Ending } from "../server/hand-back.ts";
import { equip } from "../server/serve.ts";
import { Server } from "../server/server.ts";
import type { Service } from "../service.ts";
import { MemoryNetwork, type MemoryRouter } from "./memory-network.ts";

export interface TestServiceOptions {
  /** How many. Default 1. */
  readonly pods?: number;
  /** A `VirtualClock` makes deadlines, pauses and drains jump. Default: the machine's. */
  readonly clock?: Clock;
  /** Default: a seeded one, always the same. */
  readonly random?: Random;
  /** Of the service and its clients. Default: silent. */
  readonly log?: Logger;
  /** Told of a pod that a bug ended. Default: closing rejects with the bug, so that a test doesn't overlook it. */
  readonly onCrash?: (pod: TestPod, ending: Ending) => void;
}

/** One pod. Whatever happened to it, `start` makes a new one in its place. */
export interface TestPod {
  /** Its number, from 0. */
  readonly index: number;
  readonly state: "starting" | "ready" | "draining" | "ended";
  /** As SIGKILL: nothing is flushed, its connections break, its memory is gone. */
  kill(): void;
  /** As SIGTERM. @returns when it has ended, how. With a `VirtualClock`, move it meanwhile. */
  drain(timeoutMs?: number): Promise<Ending>;
  /** As SIGSTOP: nothing that reaches it is read until `thaw`. */
  freeze(): void;
  thaw(): void;
  /** As a bug in a handler. */
  crash(error: Error): void;
  /** Starts it anew, after it has ended. */
  start(): Promise<void>;
}

/**
 * Starts a service in memory.
 * @example
 * await using shops = await testService(shop, { pods: 3, clock: new VirtualClock() });
 * const client = shops.connect();
 * shops.pods[0]?.kill();
 */
export async function testService<S extends Service>(
  service: S,
  options: TestServiceOptions = {},
): Promise<TestService<S>> {
  const started = new TestService(service, options);
  await Promise.all(started.pods.map((pod) => pod.start()));
  return started;
}

export class TestService<S extends Service> implements AsyncDisposable {
  readonly #pods: readonly Pod[];
  readonly #network: MemoryNetwork = new MemoryNetwork();
  readonly #service: S;
  readonly #options: TestServiceOptions & Required<Pick<TestServiceOptions, "clock" | "random" | "log">>;
  readonly #clients: { close(): Promise<void> }[] = [];
  readonly #listeners: Set<() => void> = new Set();
  readonly #bugs: Error[] = [];

  /** Use `testService`, which starts the pods. */
  constructor(service: S, options: TestServiceOptions) {
    const { clock = new SystemClock(), random = new SeededRandom(1), log = silentLogger } = options;
    this.#service = service;
    this.#options = { ...options, clock, random, log };
    const context: PodContext = {
      ...{ service, network: this.#network, clock, random, log },
      changed: () => this.#changed(),
      crashed: (pod, ending) => this.#crashed(pod, ending),
    };
    this.#pods = Array.from({ length: options.pods ?? 1 }, (_, index) => new Pod(index, context));
  }

  get pods(): readonly TestPod[] {
    return this.#pods;
  }

  /** A client that balances over the pods, and learns of each that comes or leaves. It is closed with the service. */
  connect(options: ConnectOptions<S> = {}): Client<S> {
    const { clock, random, log } = this.#options;
    const discovery = {
      start: (tell: (targets: readonly Target[]) => void, signal: AbortSignal) => {
        const listener = (): void => tell(this.#targets());
        this.#listeners.add(listener);
        signal.addEventListener("abort", () => this.#listeners.delete(listener), { once: true });
        listener();
      },
    };
    const given = { clock, random, log, discovery, ...options } as ConnectOptions;
    const client = connectOver(() => this.#network.dealer(), this.#service.name, given) as Client<S>;
    this.#clients.push(client);
    return client;
  }

  #targets(): Target[] {
    return this.pods.map(({ index, state }) => ({
      address: addressOf(index),
      pod: undefined,
      ready: state === "ready",
      serving: state === "ready" || state === "draining",
    }));
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }

  #crashed(pod: TestPod, ending: Ending): void {
    if (this.#options.onCrash !== undefined) this.#options.onCrash(pod, ending);
    else this.#bugs.push(ending.error ?? new Error("a pod crashed"));
  }

  /** Closes clients and pods. @throws the bug that ended a pod, if nothing was told of it. */
  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await Promise.all(this.#pods.map((pod) => pod.close()));
    const [bug] = this.#bugs.splice(0);
    if (bug !== undefined) throw bug;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

interface PodContext {
  readonly service: Service;
  readonly network: MemoryNetwork;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly changed: () => void;
  readonly crashed: (pod: TestPod, ending: Ending) => void;
}

function addressOf(index: number): string {
  return `tcp://pod-${index}:5555`;
}

class Pod implements TestPod {
  readonly index: number;
  readonly #context: PodContext;
  #router: MemoryRouter | undefined;
  #server: Server | undefined;

  constructor(index: number, context: PodContext) {
    this.index = index;
    this.#context = context;
  }

  get state(): TestPod["state"] {
    return this.#server?.state ?? "ended";
  }

  async start(): Promise<void> {
    if (this.state !== "ended")
      throw new WherryError(`pod ${this.index}: expected it to have ended before it starts, found it ${this.state}`, {
        code: "SERVICE_TEST_MISUSE",
      });
    const { service, network, clock, random, log, changed, crashed } = this.#context;
    this.#router = network.router();
    const onCrash = (ending: Ending): void => crashed(this, ending);
    const server = new Server(this.#router, service, { clock, log, instance: random.uuid(), onCrash });
    this.#server = server;
    void server.ended.then(changed);
    await equip(server);
    await server.listen(addressOf(this.index));
    changed();
  }

  kill(): void {
    this.#router?.kill();
    void this.#server?.close();
    this.#context.changed();
  }

  drain(timeoutMs = 5000): Promise<Ending> {
    if (this.#server === undefined) throw new WherryError("drain: expected a pod that was started", misuse);
    const ended = this.#server.drain({ timeoutMs, minimumMs: 0 });
    this.#context.changed();
    return ended;
  }

  freeze(): void {
    this.#router?.freeze();
  }

  thaw(): void {
    this.#router?.thaw();
  }

  crash(error: Error): void {
    this.#server?.crash(error);
    this.#context.changed();
  }

  async close(): Promise<void> {
    this.thaw();
    await this.#server?.close();
  }
}

const misuse = { code: "SERVICE_TEST_MISUSE" } as const;
