// What `up` waits for: the deployments, pods and services that it applied, or all there are when it applied nothing. Looks at
// the caches; changes nothing in the cluster.
import type { Deployment, KubeObject, Pod, Service, Stored } from "@wherry/kube/types";
import type { Applied } from "./apply.ts";
import { controllerOf, isCurrentSet, isPodReady, isReady, type Trouble, troubles } from "./readiness.ts";
import type { View } from "./view.ts";

/** What is waited for: the deployments, pods and services that were applied, or all when nothing was. */
export class Targets {
  readonly #view: View;
  /** By kind and key, the generation that was applied. */
  readonly #applied: ReadonlyMap<string, number> | undefined;
  readonly #forgotten = new Set<string>();

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

  /** What runs beside what was applied, from before: the names of deployments. */
  get others(): string[] {
    return this.#view.deployments
      .list()
      .filter((deployment) => !this.#wanted("Deployment", deployment))
      .map(({ metadata }) => metadata.name)
      .sort();
  }

  get services(): Stored<Service>[] {
    return this.#view.services
      .list()
      .filter((service) => this.#wanted("Service", service) && service.metadata.name !== "kubernetes");
  }

  /** Bare pods that were applied, and those of the deployments' current templates: what an older version does is not judged. */
  get pods(): Stored<Pod>[] {
    const deployments = this.deployments;
    const sets = new Set(
      this.#view.sets
        .list()
        .filter((set) => deployments.some((deployment) => isCurrentSet(set, deployment)))
        .map(({ metadata }) => metadata.uid),
    );
    return this.#view.pods.list().filter((pod) => {
      if (this.#forgotten.has(pod.metadata.uid)) return false;
      const owner = controllerOf(pod);
      return owner === undefined ? this.#wanted("Pod", pod) : sets.has(owner.uid);
    });
  }

  /** Pods that are being replaced: they count no more, also while the caches still hold them. */
  forget(pods: readonly Stored<Pod>[]): void {
    for (const { metadata } of pods) this.#forgotten.add(metadata.uid);
  }

  get livePods(): Stored<Pod>[] {
    const pods = this.#applied === undefined ? this.#view.pods.list() : this.pods;
    return pods.filter((pod) => pod.metadata.deletionTimestamp === undefined);
  }

  get ready(): boolean {
    return (
      this.#current() &&
      this.#podsReady() &&
      isReady({ deployments: this.deployments, pods: this.pods }) &&
      this.services.every((one) => this.#served(one))
    );
  }

  /** A Deployment's status may be behind its pods, above all after a crash: it is the pods that must be ready. */
  #podsReady(): boolean {
    const wanted = this.deployments.reduce((sum, { spec }) => sum + (spec?.replicas ?? 1), 0);
    const owned = this.pods.filter((pod) => controllerOf(pod) !== undefined && isPodReady(pod));
    return owned.filter(({ metadata }) => metadata.deletionTimestamp === undefined).length >= wanted;
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

  /** Whether pods of an older version of what was applied are ready still. */
  get olderServe(): boolean {
    const current = new Set(this.pods.map(({ metadata }) => metadata.uid));
    const older = new Set(
      this.#view.sets
        .list()
        .filter((set) => this.deployments.some(({ metadata }) => controllerOf(set)?.uid === metadata.uid))
        .map(({ metadata }) => metadata.uid),
    );
    return this.#view.pods
      .list()
      .some((pod) => isPodReady(pod) && older.has(controllerOf(pod)?.uid ?? "") && !current.has(pod.metadata.uid));
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
