// The endpoints of a client: kept in step with what discovery tells, pinged, and asked which of them take calls now. It holds
// no calls; what ends at an endpoint is told to core.ts.
import type { Clock, Logger, Random, Timer } from "@wherry/core";
import { endpointsMax, pingIntervalMs } from "../limits.ts";
import { bestOf } from "./balancer.ts";
import type { Discovery, DiscoveryProblem, Target } from "./discovery.ts";
import { type ClientSocket, Endpoint, type EndpointEvents } from "./endpoint.ts";
import { backoffMs } from "./retry.ts";

export interface PoolOptions {
  /** What this client calls itself. */
  readonly name: string;
  readonly discovery: Discovery;
  readonly socket: () => ClientSocket;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface PoolEvents extends EndpointEvents {
  /** The endpoints can't be found out now. */
  readonly troubled: () => void;
}

export class Pool {
  readonly #options: PoolOptions;
  readonly #events: PoolEvents;
  readonly #endpoints: Map<string, Endpoint> = new Map();
  /** No longer listed, with replies still to come. */
  readonly #retired: Set<Endpoint> = new Set();
  /** `bestOf` the endpoints; undefined when something changed since. */
  #best: readonly Endpoint[] | undefined;
  #problem: DiscoveryProblem | undefined;
  #stopped = false;
  #pingTimer: Timer | undefined;

  constructor(options: PoolOptions, events: PoolEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** Looks for endpoints until the signal aborts. */
  start(signal: AbortSignal): void {
    this.#options.discovery.start(
      (targets) => this.#setTargets(targets),
      signal,
      (problem) => {
        this.#problem = problem;
        this.#events.troubled();
      },
    );
    this.#pingLater();
  }

  /** Why the endpoints can't be found out now. */
  get problem(): DiscoveryProblem | undefined {
    return this.#problem;
  }

  /** Endpoints known. */
  get size(): number {
    return this.#endpoints.size;
  }

  /** Endpoints that take calls now. */
  get available(): number {
    return [...this.#endpoints.values()].filter(({ state }) => state === "open").length;
  }

  /** The endpoints that calls go to now. */
  best(nowMs: number): readonly Endpoint[] {
    this.#best ??= bestOf(this.#endpoints.values(), nowMs);
    return this.#best;
  }

  /** Time alone may have changed which are the best. */
  lookAgain(): void {
    this.#best = undefined;
  }

  /** When the next endpoint that said BUSY takes calls again; Infinity if none waits for that. */
  soonestRoomMs(nowMs: number): number {
    let soonestMs = Infinity;
    for (const { notBeforeMs, state } of this.#endpoints.values())
      if (state === "open" && notBeforeMs > nowMs) soonestMs = Math.min(soonestMs, notBeforeMs);
    return soonestMs;
  }

  /** Says BYE and closes every connection. */
  async close(): Promise<void> {
    this.#stopped = true;
    this.#pingTimer?.cancel();
    await Promise.all([...this.#endpoints.values(), ...this.#retired].map((endpoint) => endpoint.close()));
    this.#endpoints.clear();
  }

  #setTargets(targets: readonly Target[]): void {
    if (this.#stopped) return;
    this.#problem = undefined;
    if (targets.length > endpointsMax)
      this.#options.log.warn(
        { endpoints: targets.length },
        `more endpoints than ${endpointsMax}: the rest is not used`,
      );
    const listed = new Map(
      targets.slice(0, endpointsMax).map((target) => [`${target.address} ${target.pod ?? ""}`, target]),
    );
    for (const [key, endpoint] of this.#endpoints) {
      if (listed.has(key)) continue;
      this.#endpoints.delete(key);
      this.#retired.add(endpoint);
      endpoint.retire();
    }
    for (const [key, target] of listed) {
      const known = this.#endpoints.get(key);
      if (known === undefined) this.#endpoints.set(key, this.#connect(target));
      else known.update(target);
    }
    for (const endpoint of this.#retired) if (endpoint.state === "closed") this.#retired.delete(endpoint);
    this.#changed();
  }

  #connect(target: Target): Endpoint {
    const { name, log, socket, clock } = this.#options;
    return new Endpoint(target, socket(), name, clock, log, {
      answered: this.#events.answered,
      changed: () => this.#changed(),
    });
  }

  #changed(): void {
    this.#best = undefined;
    this.#events.changed();
  }

  #pingLater(): void {
    // Jitter, so that many clients do not ping in step.
    const delayMs = backoffMs(1, this.#options.random) + pingIntervalMs;
    this.#pingTimer = this.#options.clock.timer(
      delayMs,
      () => {
        for (const endpoint of this.#endpoints.values()) endpoint.ping();
        this.#changed();
        this.#pingLater();
      },
      { background: true },
    );
  }
}
