// Watches what was applied until it is ready, can't get ready, or time is up.
import { type Clock, type Random, silentLogger, type Timer } from "@wherry/core";
import { resources } from "@wherry/kube";
import type { KubeClient } from "@wherry/kube/client";
import { createInformers, type Informer } from "@wherry/kube/controller";
import type { Deployment, EndpointSlice, KubeObject, Pod, Service, Stored } from "@wherry/kube/types";
import { cliLimits } from "../limits.ts";
import type { Applied } from "./apply.ts";
import { hasController, isPodReady, isReady, type Trouble, troubles } from "./readiness.ts";

/** What `up` sees of the cluster, kept current. */
export interface View {
  readonly pods: Informer<Pod>;
  readonly deployments: Informer<Deployment>;
  readonly services: Informer<Service>;
  readonly slices: Informer<EndpointSlice>;
  /** Called after each change of any of them. */
  onChange(handler: () => void): void;
}

export async function openView(
  client: KubeClient,
  env: { readonly clock: Clock; readonly random: Random },
  signal: AbortSignal,
): Promise<View> {
  const informers = createInformers(client, { ...env, log: silentLogger });
  const view = {
    pods: informers.for(resources.pods),
    deployments: informers.for(resources.deployments),
    services: informers.for(resources.services),
    slices: informers.for(resources.endpointslices),
  };
  const handlers: (() => void)[] = [];
  const changed = (): void => {
    for (const handler of handlers) handler();
  };
  view.pods.onChange(changed);
  view.deployments.onChange(changed);
  view.services.onChange(changed);
  view.slices.onChange(changed);
  await informers.start(signal);
  return { ...view, onChange: (handler) => handlers.push(handler) };
}

export type WaitResult =
  | { readonly outcome: "ready" }
  /** `final`: it won't get ready without a change; else it may, but did not in time or crashes again and again. */
  | {
      readonly outcome: "not-ready";
      readonly final: boolean;
      readonly timedOut: boolean;
      readonly troubles: readonly Trouble[];
    };

/** Restarts after which a crash is no longer taken for a late dependency. */
const crashesTolerated = 2;

/** What is waited for: the deployments, pods and services that were applied, or all when nothing was. */
export class Targets {
  readonly #view: View;
  /** By kind and key, the generation that was applied. */
  readonly #applied: ReadonlyMap<string, number> | undefined;

  constructor(view: View, applied: readonly Applied[]) {
    this.#view = view;
    this.#applied =
      applied.length === 0
        ? undefined
        : new Map(applied.map(({ kind, object }) => [id(kind.kind, object), object.metadata.generation ?? 0]));
  }

  #wanted(kind: string, object: Stored<Deployment | Pod | Service>): boolean {
    return this.#applied?.has(id(kind, object)) ?? true;
  }

  get deployments(): Stored<Deployment>[] {
    return this.#view.deployments.list().filter((deployment) => this.#wanted("Deployment", deployment));
  }

  get services(): Stored<Service>[] {
    return this.#view.services
      .list()
      .filter((service) => this.#wanted("Service", service) && service.metadata.name !== "kubernetes");
  }

  /** Bare pods that were applied, and the deployments' own. */
  get pods(): Stored<Pod>[] {
    const selectors = this.deployments.map(
      ({ metadata, spec }) => [metadata.namespace, spec?.selector.matchLabels] as const,
    );
    return this.#view.pods.list().filter((pod) => {
      if (!hasController(pod)) return this.#wanted("Pod", pod);
      if (this.#applied === undefined) return true;
      return selectors.some(
        ([namespace, labels]) =>
          pod.metadata.namespace === namespace && matches(labels ?? {}, pod.metadata.labels ?? {}),
      );
    });
  }

  get livePods(): Stored<Pod>[] {
    return this.pods.filter((pod) => pod.metadata.deletionTimestamp === undefined);
  }

  get ready(): boolean {
    return (
      this.#current() &&
      isReady({ deployments: this.deployments, pods: this.pods }) &&
      this.services.every((one) => this.#served(one))
    );
  }

  /** The caches hold what was applied: not the objects from before it. */
  #current(): boolean {
    if (this.#applied === undefined) return true;
    const seen = new Map<string, number>();
    const see = (kind: string, objects: readonly Stored<KubeObject>[]): void => {
      for (const object of objects) seen.set(id(kind, object), object.metadata.generation ?? 0);
    };
    see("Deployment", this.#view.deployments.list());
    see("Pod", this.#view.pods.list());
    see("Service", this.#view.services.list());
    return [...this.#applied].every(
      ([name, generation]) => !waitedFor.test(name) || (seen.get(name) ?? -1) >= generation,
    );
  }

  /** Every ready pod behind the Service is one of its ready endpoints. */
  #served(service: Stored<Service>): boolean {
    const selector = service.spec?.selector;
    if (selector === undefined || Object.keys(selector).length === 0) return true;
    const { name, namespace } = service.metadata;
    const ready = this.#view.pods
      .list(namespace)
      .filter((pod) => pod.metadata.deletionTimestamp === undefined && isPodReady(pod))
      .filter((pod) => matches(selector, pod.metadata.labels ?? {}));
    const served = new Set(
      this.#view.slices
        .list(namespace)
        .filter((slice) => slice.metadata.labels?.["kubernetes.io/service-name"] === name)
        .flatMap((slice) => slice.endpoints ?? [])
        .filter((endpoint) => endpoint.conditions?.ready !== false)
        .map((endpoint) => endpoint.targetRef?.uid),
    );
    return ready.every((pod) => served.has(pod.metadata.uid));
  }

  /** Every container says itself when it is ready. */
  get probed(): boolean {
    return this.livePods.every((pod) =>
      pod.spec?.containers.every((container) => container.readinessProbe !== undefined),
    );
  }

  get troubles(): Trouble[] {
    return troubles(this.pods);
  }
}

const waitedFor = /^(Deployment|Pod|Service) /;
const id = (kind: string, { metadata }: Stored<KubeObject>): string =>
  `${kind} ${metadata.namespace ?? ""}/${metadata.name}`;

function matches(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}

/** @param progress called with a line whenever something changed */
export function waitUntilReady(
  view: View,
  targets: Targets,
  options: { readonly timeoutMs: number; readonly clock: Clock; readonly progress: (line: string) => void },
): Promise<WaitResult> {
  return new Promise((resolve) => {
    let settled = false;
    let confirmed = false;
    let confirm: Timer | undefined;
    const settle = (result: WaitResult): void => {
      if (settled) return;
      settled = true;
      timer.cancel();
      confirm?.cancel();
      resolve(result);
    };
    const timer = options.clock.timer(options.timeoutMs, () => {
      settle({ outcome: "not-ready", final: false, timedOut: true, troubles: targets.troubles });
    });
    const look = (): void => {
      if (settled) return;
      if (targets.ready) {
        // What has no readiness probe counts as ready when it starts, also when it crashes a moment later.
        if (confirmed || targets.probed) settle({ outcome: "ready" });
        else
          confirm ??= options.clock.timer(cliLimits.confirmReadyMs, () => {
            confirmed = true;
            look();
          });
        return;
      }
      confirmed = false;
      confirm?.cancel();
      confirm = undefined;
      const found = targets.troubles;
      const hopeless = found.filter((trouble) => trouble.final || isCrashLoop(trouble));
      if (hopeless.length > 0)
        settle({ outcome: "not-ready", final: found.some(({ final }) => final), timedOut: false, troubles: hopeless });
      else options.progress(progressLine(targets, found));
    };
    view.onChange(look);
    look();
  });
}

function isCrashLoop({ pod, container, reason }: Trouble): boolean {
  const restarts = pod.status?.containerStatuses?.find(({ name }) => name === container)?.restartCount ?? 0;
  return reason === "CrashLoopBackOff" && restarts >= crashesTolerated;
}

function progressLine(targets: Targets, found: readonly Trouble[]): string {
  const pods = targets.livePods;
  const ready = pods.filter(isPodReady).length;
  const wanted = Math.max(
    pods.length,
    targets.deployments.reduce((sum, { spec }) => sum + (spec?.replicas ?? 1), 0),
  );
  const [first] = found;
  const why = first === undefined ? "" : ` (${first.pod.metadata.name}: ${first.reason})`;
  return `${ready} of ${wanted} pods ready${why}`;
}
