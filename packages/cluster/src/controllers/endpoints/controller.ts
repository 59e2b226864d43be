// Keeps EndpointSlices and the Endpoints object of each Service that has a selector. Decisions: slices.ts, endpoints.ts.
import { type Endpoints, type EndpointSlice, type Pod, resources, type Service, type Stored } from "@wherry/kube";
import {
  type Controller,
  controller,
  Expectations,
  type Informer,
  type Key,
  keyOf,
  type Outcome,
  watching,
} from "@wherry/kube/controller";
import type { ControllerEnvironment } from "../environment.ts";
import { isNamespaceTerminating, isReason, unlessGone } from "../errors.ts";
import { limits } from "../limits.ts";
import { isDeleting } from "../objects.ts";
import { cachedServiceSelector } from "../selectors.ts";
import { planEndpoints } from "./endpoints.ts";
import { managedBy, managedByLabel, planSlices, serviceNameLabel, type SlicesPlan } from "./slices.ts";

const byService = "controllers/service";

export function endpointsController(env: ControllerEnvironment): Controller {
  const loop = new EndpointsLoop(env);
  const services = env.informers.for(resources.services);
  return controller({
    name: "endpoints",
    env,
    watches: [
      watching(resources.services),
      watching(resources.pods, (pod) => servicesOf(services, pod), { when: concernsEndpoints }),
      { attach: () => loop.watchExpected() },
      watching(resources.endpointslices, serviceKeyOf),
      // The Endpoints object has its Service's name.
      watching(resources.endpoints),
    ],
    reconcile: (key) => loop.reconcile(key),
    workers: 4,
  });
}

function servicesOf(services: Informer<Service>, pod: Stored<Pod>): Key[] {
  return services
    .list(pod.metadata.namespace)
    .filter(
      (service) => hasSelector(service) && cachedServiceSelector(service.spec?.selector).matches(pod.metadata.labels),
    )
    .map(keyOf);
}

function hasSelector(service: Service): boolean {
  return (
    service.spec?.selector !== undefined &&
    Object.keys(service.spec.selector).length > 0 &&
    service.spec.type !== "ExternalName"
  );
}

/** A pod that has no address yet, and had none, is no endpoint of anything. */
function concernsEndpoints(next: Stored<Pod> | undefined, previous: Stored<Pod> | undefined): boolean {
  return [next, previous].some((pod) => (pod?.status?.podIP ?? "") !== "");
}

function serviceKeyOf({ metadata }: Stored<EndpointSlice>): Key | undefined {
  const service = metadata.labels?.[serviceNameLabel];
  if (service === undefined || metadata.labels?.[managedByLabel] !== managedBy) return undefined;
  return `${metadata.namespace ?? ""}/${service}`;
}

class EndpointsLoop {
  readonly #env: ControllerEnvironment;
  readonly #services: Informer<Service>;
  readonly #pods: Informer<Pod>;
  readonly #slices: Informer<EndpointSlice>;
  readonly #endpoints: Informer<Endpoints>;
  readonly #expectations: Expectations;

  constructor(env: ControllerEnvironment) {
    this.#env = env;
    this.#services = env.informers.for(resources.services);
    this.#pods = env.informers.for(resources.pods);
    this.#slices = env.informers.for(resources.endpointslices);
    this.#endpoints = env.informers.for(resources.endpoints);
    this.#expectations = new Expectations(env.clock);
    this.#slices.addIndex(byService, (slice) => {
      const key = serviceKeyOf(slice);
      return key === undefined ? [] : [key];
    });
  }

  /** A slice that was made but isn't in the cache yet must not be made again. */
  watchExpected(): void {
    this.#slices.onChange((next, previous) => {
      const slice = next ?? previous;
      const key = slice === undefined ? undefined : serviceKeyOf(slice);
      if (slice === undefined || key === undefined) return;
      if (previous === undefined) this.#expectations.createSeen(key);
      if (next === undefined || isDeleting(next)) this.#expectations.deleteSeen(key, slice.metadata.uid);
    });
  }

  async reconcile(key: Key): Promise<Outcome> {
    const service = this.#services.get(key);
    if (service === undefined || isDeleting(service)) {
      this.#expectations.forget(key);
      return this.#removeEndpoints(key);
    }
    // Without a selector someone else says what the endpoints are.
    if (!hasSelector(service)) return undefined;
    if (!this.#expectations.satisfied(key)) return { requeueAfterMs: limits.expectationsTimeoutMs };
    const selector = cachedServiceSelector(service.spec?.selector);
    const pods = this.#pods
      .list(service.metadata.namespace ?? "")
      .filter((pod) => selector.matches(pod.metadata.labels));
    try {
      await Promise.all([this.#writeSlices(key, service, pods), this.#writeEndpoints(service, pods)]);
    } catch (error) {
      if (!isNamespaceTerminating(error)) throw error;
    }
    return undefined;
  }

  async #writeSlices(key: Key, service: Stored<Service>, pods: readonly Stored<Pod>[]): Promise<void> {
    const nodes = this.#env.informers.for(resources.nodes);
    const slices = this.#slices.byIndex(byService, key);
    const plan = planSlices({ service, pods, slices, nodeOf: (name) => nodes.get(name) });
    await this.#carryOut(key, plan);
  }

  /** New ones first: an endpoint that moves is never in no slice at all. */
  async #carryOut(key: Key, plan: SlicesPlan): Promise<void> {
    const { client } = this.#env;
    for (const slice of plan.create) {
      this.#expectations.expectCreates(key, 1);
      try {
        await client.create(resources.endpointslices, slice);
      } catch (error) {
        this.#expectations.createSeen(key);
        throw error;
      }
    }
    for (const slice of plan.update) await client.update(resources.endpointslices, slice);
    for (const { metadata } of plan.remove) {
      const { name, namespace = "", uid } = metadata;
      this.#expectations.expectDeletes(key, [uid]);
      try {
        await client.delete(resources.endpointslices, { name, namespace }, { preconditions: { uid } });
      } catch (error) {
        this.#expectations.deleteSeen(key, uid);
        if (!isReason(error, "NotFound")) throw error;
      }
    }
  }

  async #writeEndpoints(service: Stored<Service>, pods: readonly Stored<Pod>[]): Promise<void> {
    const { client } = this.#env;
    const present = this.#endpoints.get(keyOf(service));
    const next = planEndpoints(service, pods, present);
    if (next === undefined) return;
    if (present === undefined) await client.create(resources.endpoints, next);
    else await client.update(resources.endpoints, next);
  }

  /** Slices go with their owner; the Endpoints object has none, and goes by its name. */
  async #removeEndpoints(key: Key): Promise<Outcome> {
    const endpoints = this.#endpoints.get(key);
    // Only what this loop made: Endpoints can be made by hand before their Service.
    if (endpoints?.metadata.labels?.["endpoints.kubernetes.io/managed-by"] !== "endpoint-controller") return undefined;
    const { name, namespace = "", uid } = endpoints.metadata;
    await unlessGone(this.#env.client.delete(resources.endpoints, { name, namespace }, { preconditions: { uid } }));
    return undefined;
  }
}
