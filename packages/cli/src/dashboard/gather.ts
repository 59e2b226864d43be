// What the dashboard shows: all services of a cluster with their pods, and of those of @wherry/service what their methods have done, asked
// of the pods themselves. It keeps a client for each service while that is there; it changes nothing.
import { asError, type Clock } from "@wherry/core";
import { resources } from "@wherry/kube";
import type { KubeClient } from "@wherry/kube/client";
import type { Pod, Service, Stored } from "@wherry/kube/types";
import {
  type Client,
  connect,
  type ConnectOptions,
  type QueuesDescription,
  type ServiceDescription,
  ServiceError,
  type ServiceStats,
} from "@wherry/service";
import { cliLimits } from "../limits.ts";
import { silentState } from "../pod-state.ts";
import { queuesOf } from "../service-target.ts";
import { isPodReady } from "../up/readiness.ts";
import { failedOf, RateKeeper, type Rates } from "./rates.ts";

interface MethodFigures {
  readonly name: string;
  readonly calls: number;
  readonly failed: number;
  /** A second, since the look before; absent at the first. */
  readonly callRate?: number;
  readonly failureRate?: number;
  /** Of the slowest pod; the upper bound of a histogram's bucket, null above the last, absent before the first call. */
  readonly p99Ms?: number | null;
  /** Calls of a durable method that wait, and that are dead letters; absent: it is none, or its broker doesn't tell. */
  readonly waiting?: number;
  readonly dead?: number;
}

interface PodFigures {
  readonly name: string;
  readonly ready: boolean;
  readonly restarts: number;
  readonly address: string;
  /** What it says itself: `ready`, `overloaded`, …; or why it says nothing. */
  readonly state?: string;
  readonly upSeconds?: number;
  readonly queued?: number;
  readonly running?: number;
}

export interface ServiceFigures {
  readonly name: string;
  readonly namespace: string;
  /** Empty: it says none. */
  readonly version: string;
  readonly addresses: readonly string[];
  /** Where its page to try it is, if it serves HTTP. */
  readonly explorer?: string;
  readonly methods: readonly MethodFigures[];
  readonly pods: readonly PodFigures[];
  /** Pods that are not listed. */
  readonly morePods: number;
}

export interface Figures {
  readonly cluster: string;
  readonly atMs: number;
  readonly services: readonly ServiceFigures[];
  /** Services that are not listed. */
  readonly moreServices: number;
}

export interface GathererOptions {
  readonly cluster: string;
  readonly kube: KubeClient;
  readonly clock: Clock;
  /** Of `connect`, for services that are encrypted. */
  readonly security: (service: { readonly name: string; readonly namespace: string }) => Promise<ConnectOptions>;
}

export class Gatherer {
  readonly #options: GathererOptions;
  readonly #clients = new Map<string, Client>();
  /** By service, as long as it is there: what it said of itself last, and the counts that rates are made of. */
  readonly #known = new Map<string, { description?: ServiceDescription; readonly rates: RateKeeper }>();
  #last: { readonly atMs: number; readonly figures: Promise<Figures>; pending: boolean } | undefined;
  #closed = false;

  constructor(options: GathererOptions) {
    this.#options = options;
  }

  /** Several pages that ask at once are one look, however long a pod that does not answer draws it out. */
  figures(): Promise<Figures> {
    const nowMs = this.#options.clock.monotonic();
    const last = this.#last;
    if (last !== undefined && (last.pending || nowMs - last.atMs <= cliLimits.dashboardFreshMs)) return last.figures;
    const figures = this.#look();
    const look = { atMs: nowMs, figures, pending: true };
    const over = (): boolean => (look.pending = false);
    figures.then(over, over);
    this.#last = look;
    return figures;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
    this.#clients.clear();
  }

  async #look(): Promise<Figures> {
    const { kube, cluster, clock } = this.#options;
    const [services, pods] = await Promise.all([kube.list(resources.services), kube.list(resources.pods)]);
    const known = services.items.filter(({ metadata }) => metadata.name !== "kubernetes");
    const shown = known.slice(0, cliLimits.dashboardServicesMax);
    await this.#forgetAllBut(shown);
    const figures = await Promise.all(shown.map((service) => this.#of(service, podsOf(service, pods.items))));
    return { cluster, atMs: clock.now(), services: figures, moreServices: known.length - shown.length };
  }

  /** One that answers with what is no answer is shown so, and the others as they are. */
  async #of(service: Stored<Service>, pods: readonly Stored<Pod>[]): Promise<ServiceFigures> {
    const shown = pods.slice(0, cliLimits.dashboardPodsMax);
    const more = pods.length - shown.length;
    try {
      const client = await this.#clientOf(service);
      const [{ description, queues }, answers] = await Promise.all([aboutOf(client), askAll(client, shown)]);
      const known = this.#knownOf(service);
      // Its methods are shown all the same while no pod answers for a moment.
      if (description !== undefined) known.description = description;
      const asked = shown.map(({ metadata }, index) => ({ pod: metadata.name, stats: answers[index]?.stats }));
      const rates = known.rates.take(this.#options.clock.monotonic(), asked);
      return figuresOf(service, { shown, more }, { description: known.description, queues, rates }, answers);
    } catch (error) {
      const why = asError(error).message;
      const silent = shown.map(() => ({ why }));
      return figuresOf(service, { shown, more }, {}, silent);
    }
  }

  #knownOf({ metadata }: Stored<Service>): { description?: ServiceDescription; readonly rates: RateKeeper } {
    const key = keyOf(metadata);
    const known = this.#known.get(key) ?? { rates: new RateKeeper() };
    this.#known.set(key, known);
    return known;
  }

  /** None for a service that speaks another protocol, and why there is none for one that can't be talked to. */
  async #clientOf({ metadata, spec }: Stored<Service>): Promise<Client | string | undefined> {
    if (!(spec?.ports ?? []).some((port) => port.name === "messaging")) return undefined;
    const { name, namespace = "default" } = metadata;
    const key = keyOf(metadata);
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    const { kube, security } = this.#options;
    let own: ConnectOptions;
    try {
      own = await security({ name, namespace });
    } catch (error) {
      return asError(error).message;
    }
    const common = { kube, namespace, deadlineMs: cliLimits.dashboardAnswerMs, subset: false as const };
    if (this.#closed) return "the dashboard was closed";
    const client = connect(name, { ...common, name: "wherry-dashboard", ...own });
    this.#clients.set(key, client);
    return client;
  }

  async #forgetAllBut(services: readonly Stored<Service>[]): Promise<void> {
    const there = new Set(services.map(({ metadata }) => keyOf(metadata)));
    for (const key of this.#known.keys()) if (!there.has(key)) this.#known.delete(key);
    const gone = [...this.#clients].filter(([key]) => !there.has(key));
    for (const [key] of gone) this.#clients.delete(key);
    await Promise.all(gone.map(([, client]) => client.close()));
  }
}

const keyOf = ({ namespace = "default", name }: Stored<Service>["metadata"]): string => `${namespace}/${name}`;

interface Answer {
  readonly stats?: ServiceStats;
  readonly why?: string;
}

async function askAll(client: Client | string | undefined, pods: readonly Stored<Pod>[]): Promise<readonly Answer[]> {
  if (client === undefined) return [];
  if (typeof client === "string") return pods.map(() => ({ why: client }));
  return Promise.all(pods.map((pod) => ask(client, pod)));
}

async function ask(client: Client, { metadata: { name: to, deletionTimestamp } }: Stored<Pod>): Promise<Answer> {
  // It takes no new questions: it would be waited for in vain.
  if (deletionTimestamp !== undefined) return { why: "it drains" };
  try {
    return { stats: (await client.call("$stats", undefined, { to })) as ServiceStats };
  } catch (error) {
    return { why: ServiceError.is(error) ? error.code : asError(error).message };
  }
}

interface About {
  readonly description?: ServiceDescription | undefined;
  readonly queues?: QueuesDescription | undefined;
  readonly rates?: Rates | undefined;
}

/** Of any pod: while a new version rolls out, of either. */
async function aboutOf(client: Client | string | undefined): Promise<About> {
  if (client === undefined || typeof client === "string") return {};
  try {
    const description = (await client.call("$describe")) as ServiceDescription;
    return { description, queues: await queuesOf(client, description) };
  } catch {
    // What is wrong, its pods say.
    return {};
  }
}

function figuresOf(
  service: Stored<Service>,
  { shown: pods, more: morePods }: { readonly shown: readonly Stored<Pod>[]; readonly more: number },
  about: About,
  answers: readonly Answer[],
): ServiceFigures {
  const { name, namespace = "default" } = service.metadata;
  const { description } = about;
  const explorer = explorerOf(service);
  return {
    ...{ name, namespace, addresses: addressesOf(service), version: description?.version ?? "" },
    ...(explorer === undefined ? {} : { explorer }),
    methods: methodsOf(Object.keys(description?.methods ?? {}), answers, about),
    pods: pods.map((pod, index) => podFigures(pod, answers[index] ?? {})),
    morePods,
  };
}

function podsOf({ metadata, spec }: Stored<Service>, pods: readonly Stored<Pod>[]): Stored<Pod>[] {
  const selector = Object.entries(spec?.selector ?? {});
  if (selector.length === 0) return [];
  return pods.filter(
    (pod) =>
      pod.metadata.namespace === metadata.namespace &&
      selector.every(([key, value]) => pod.metadata.labels?.[key] === value),
  );
}

/** All pods' together; those that nobody has called, too. */
function methodsOf(
  names: readonly string[],
  answers: readonly Answer[],
  { rates, queues = {} }: About,
): readonly MethodFigures[] {
  const methods = new Map<string, { calls: number; failed: number; p99Ms?: number | null }>();
  for (const name of names) methods.set(name, { calls: 0, failed: 0 });
  for (const { stats } of answers)
    for (const [name, method] of Object.entries(stats?.methods ?? {})) {
      const sum = methods.get(name) ?? { calls: 0, failed: 0 };
      sum.calls += method.count;
      sum.failed += failedOf(method);
      const { p99Ms } = method;
      if (p99Ms !== undefined)
        sum.p99Ms = p99Ms === null || sum.p99Ms === null ? null : Math.max(sum.p99Ms ?? 0, p99Ms);
      methods.set(name, sum);
    }
  const queued = (name: string): { waiting?: number; dead?: number } => {
    const depth = Object.hasOwn(queues, name) ? queues[name] : undefined;
    return depth === undefined || depth === null ? {} : { waiting: depth.ready, dead: depth.dead };
  };
  const sorted = [...methods].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([counted, figures]) => {
    // What the framework counts under a name of its own.
    const name = counted === "unknown" && !names.includes(counted) ? "(no such method)" : counted;
    const told = { name, ...figures, ...queued(counted) };
    if (rates === undefined) return told;
    const { calls, failed } = rates.get(counted) ?? { calls: 0, failed: 0 };
    return { ...told, callRate: calls, failureRate: failed };
  });
}

function podFigures(pod: Stored<Pod>, { stats, why }: Answer): PodFigures {
  const restarts = (pod.status?.containerStatuses ?? []).reduce((sum, { restartCount }) => sum + restartCount, 0);
  const { name } = pod.metadata;
  const common = { name, ready: isPodReady(pod), restarts, address: pod.status?.podIP ?? "" };
  if (stats === undefined) return { ...common, ...(why === undefined ? {} : { state: silentState(pod, why) }) };
  const { state, uptimeMs, queued, running } = stats;
  return { ...common, state, upSeconds: Math.round(uptimeMs / 1000), queued, running };
}

const isIp = (ip: string | undefined): ip is string => ip !== undefined && ip !== "" && ip !== "None";

function addressesOf({ spec }: Stored<Service>): string[] {
  const ip = spec?.clusterIP;
  return isIp(ip) ? (spec?.ports ?? []).map(({ port }) => `${ip}:${port}`) : [];
}

function explorerOf({ spec }: Stored<Service>): string | undefined {
  const port = (spec?.ports ?? []).find(({ name }) => name === "http")?.port;
  return port === undefined || !isIp(spec?.clusterIP) ? undefined : `http://${spec.clusterIP}:${port}/`;
}
