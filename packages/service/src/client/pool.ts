// The endpoints of a client: kept in step with what discovery tells, pinged, and asked which of them take calls now. It holds
// no calls; what ends at an endpoint is told to core.ts.
import type { Clock, Logger, Random, Timer } from "@wherry/core";
import { endpointsMax, extraIdleMs, pingIntervalMs, retryFirstMs, retryMaxMs, subsetSizeDefault } from "../limits.ts";
import { type Best, bestOf } from "./balancer.ts";
import type { Codec } from "../protocol/content.ts";
import type { Discovery, DiscoveryProblem, Target } from "./discovery.ts";
import { type ClientSocket, Endpoint, type EndpointEvents } from "./endpoint.ts";
import { PeakEwma } from "./latency.ts";
import { type Failure, Outliers } from "./outliers.ts";
import { hashOf } from "./rendezvous.ts";
import { backoffMs } from "./retry.ts";
import { subsetOf } from "./subset.ts";
import type { OutlierOptions } from "./types.ts";

export interface PoolOptions {
  /** What this client calls itself. */
  readonly name: string;
  /** In place of JSON. */
  readonly codec?: Codec | undefined;
  /** What the service must call itself. */
  readonly service: string;
  readonly discovery: Discovery;
  readonly socket: () => ClientSocket;
  /** Endpoints of many that this client uses; false: all. Default 20. */
  readonly subset?: number | false | undefined;
  /** On by default. */
  readonly outliers?: OutlierOptions | false | undefined;
  /** The balancer compares measured times. */
  readonly timed: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface PoolEvents extends Pick<EndpointEvents, "answered" | "changed"> {
  /** The endpoints can't be found out now. */
  readonly troubled: () => void;
}

export class Pool {
  readonly #options: PoolOptions;
  readonly #events: PoolEvents;
  readonly #outliers: Outliers | undefined;
  /** This client among all: which endpoints of many it uses. */
  readonly #clientHash: number;
  #targets: readonly Target[] = [];
  #isPartial = false;
  #everyone = false;
  readonly #endpoints: Map<string, Endpoint> = new Map();
  /** When calls with `to` last used the endpoints that only they use. */
  readonly #extras: Map<Endpoint, number> = new Map();
  /** No longer listed, with replies still to come. */
  readonly #retired: Set<Endpoint> = new Set();
  /** `bestOf` the endpoints; undefined when something changed since. */
  #best: Best | undefined;
  #problem: DiscoveryProblem | undefined;
  #told = false;
  #stopped = false;
  #pingTimer: Timer | undefined;

  constructor(options: PoolOptions, events: PoolEvents) {
    this.#options = options;
    this.#events = events;
    this.#outliers = options.outliers === false ? undefined : new Outliers(options.outliers ?? {});
    this.#clientHash = hashOf(options.random.uuid());
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

  /** Discovery has told its list, be it empty. */
  get told(): boolean {
    return this.#told;
  }

  get isEmpty(): boolean {
    return this.#endpoints.size === 0;
  }

  get counters(): { known: number; endpoints: number; available: number; ejections: number; ejected: number } {
    const nowMs = this.#options.clock.monotonic();
    const endpoints = [...this.#endpoints.values()];
    return {
      known: this.#targets.length,
      endpoints: endpoints.length,
      available: endpoints.filter(({ state }) => state === "open").length,
      ejections: this.#outliers?.ejections ?? 0,
      ejected: endpoints.filter(({ health }) => health.isEjected(nowMs)).length,
    };
  }

  /** Why one of the endpoints is not used, if somebody else answers at it. */
  get foreigner(): string | undefined {
    for (const { foreigner } of this.#endpoints.values()) if (foreigner !== undefined) return foreigner;
    return undefined;
  }

  /** Why one of the endpoints is not connected: its address, and what the last try met. */
  get trouble(): string | undefined {
    const [endpoint] = [...this.#endpoints.values()].sort((a, b) => Number(!a.trouble) - Number(!b.trouble));
    return endpoint === undefined ? undefined : `${endpoint.target.address}: ${endpoint.trouble ?? "no answer yet"}`;
  }

  /** From now on every endpoint that is listed is connected to, however many there are, up to the limit. */
  useAll(): void {
    if (this.#everyone) return;
    this.#everyone = true;
    if (this.#told) this.#setTargets(this.#targets);
  }

  /** All of them, also those that are no longer listed and not closed yet. */
  *all(): Generator<Endpoint> {
    yield* this.#endpoints.values();
    yield* this.#retired;
  }

  /** The endpoints that calls go to now. */
  best(nowMs: number): readonly Endpoint[] {
    if (this.#best === undefined || nowMs >= this.#best.untilMs) this.#best = bestOf(this.#endpoints.values(), nowMs);
    return this.#best.endpoints;
  }

  /** Time alone may have changed who is suspect. */
  lookAgain(): void {
    this.#best = undefined;
  }

  /** When time alone next gives room: an endpoint that said BUSY or was ejected comes back; Infinity if none will. */
  soonestRoomMs(nowMs: number): number {
    // Looked at anew: a time that has passed would wake at once, and again and again.
    this.best(nowMs);
    let soonestMs = this.#best?.untilMs ?? Infinity;
    for (const { notBeforeMs, state } of this.#endpoints.values())
      if (state === "open" && notBeforeMs > nowMs) soonestMs = Math.min(soonestMs, notBeforeMs);
    return soonestMs;
  }

  /** The instance with this name, UID or address; it is connected if this client didn't use it. */
  find(to: string, nowMs: number): Endpoint | undefined {
    for (const endpoint of this.#endpoints.values())
      if (isCalled(endpoint.target, to)) {
        if (endpoint.extra) this.#extras.set(endpoint, nowMs);
        return endpoint;
      }
    const target = this.#targets.find((candidate) => isCalled(candidate, to));
    if (target === undefined || this.#endpoints.size >= endpointsMax) return undefined;
    const endpoint = this.#connect(target);
    endpoint.extra = true;
    this.#endpoints.set(keyOf(target), endpoint);
    this.#extras.set(endpoint, nowMs);
    return endpoint;
  }

  /** It failed: an outlier is ejected. */
  failed(endpoint: Endpoint, failure: Failure): void {
    const nowMs = this.#options.clock.monotonic();
    const ready = [...this.#endpoints.values()].filter(({ target, extra }) => target.ready && !extra);
    const all = ready.map(({ health }) => health);
    if (!ready.includes(endpoint) || this.#outliers?.failed(endpoint.health, failure, all, nowMs) !== true) return;
    const ejectedMs = Math.round(endpoint.health.ejectedUntilMs - nowMs);
    this.#options.log.warn({ address: endpoint.target.address, ejectedMs }, "fails where others don't: avoided");
    this.#best = undefined;
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
    this.#told = true;
    this.#targets = targets;
    const { log } = this.#options;
    const subset = this.#everyone ? false : (this.#options.subset ?? subsetSizeDefault);
    const used = subsetOf(targets, subset, this.#clientHash, this.#isPartial);
    this.#isPartial = used.partial;
    if (used.targets.length > endpointsMax)
      log.warn({ endpoints: used.targets.length }, `more endpoints than ${endpointsMax}: the rest is not used`);
    const members = new Map(used.targets.slice(0, endpointsMax).map((target) => [keyOf(target), target]));
    const listed = new Map(targets.map((target) => [keyOf(target), target]));
    for (const [key, endpoint] of this.#endpoints) {
      const target = members.get(key) ?? (endpoint.extra ? listed.get(key) : undefined);
      if (target === undefined) this.#retire(key, endpoint);
      else endpoint.update(target);
    }
    for (const [key, target] of members) {
      const endpoint = this.#endpoints.get(key) ?? this.#connect(target);
      this.#endpoints.set(key, endpoint);
      if (!endpoint.extra) continue;
      endpoint.extra = false;
      this.#extras.delete(endpoint);
    }
    for (const endpoint of this.#retired) if (endpoint.state === "closed") this.#retired.delete(endpoint);
    this.#changed();
  }

  #retire(key: string, endpoint: Endpoint): void {
    this.#endpoints.delete(key);
    this.#extras.delete(endpoint);
    this.#retired.add(endpoint);
    endpoint.retire();
  }

  #connect(target: Target): Endpoint {
    const { name, service, codec, log, socket, clock, timed, discovery } = this.#options;
    const latency = timed ? new PeakEwma() : undefined;
    return new Endpoint(
      target,
      socket(),
      { name, service, codec, latency, clock, log },
      {
        answered: this.#events.answered,
        changed: () => this.#changed(),
        failed: (endpoint, failure) => this.failed(endpoint, failure),
        lost: () => discovery.refresh?.(),
      },
    );
  }

  #changed(): void {
    this.#best = undefined;
    if (!this.#stopped) this.#events.changed();
  }

  #pingLater(): void {
    const { clock, random } = this.#options;
    // Jitter, so that many clients do not ping in step.
    const delayMs = backoffMs(1, { backoffFirstMs: retryFirstMs, backoffMaxMs: retryMaxMs }, random) + pingIntervalMs;
    this.#pingTimer = clock.timer(
      delayMs,
      () => {
        for (const [key, endpoint] of this.#endpoints) {
          const usedMs = this.#extras.get(endpoint);
          if (usedMs !== undefined && endpoint.load === 0 && clock.monotonic() - usedMs > extraIdleMs)
            this.#retire(key, endpoint);
          else endpoint.ping();
        }
        this.#changed();
        this.#pingLater();
      },
      { background: true },
    );
  }
}

function keyOf({ address, pod }: Target): string {
  return `${address} ${pod ?? ""}`;
}

function isCalled({ address, pod, name }: Target, to: string): boolean {
  return pod === to || name === to || address === to || address === `tcp://${to}`;
}
