// Gives every namespace its ServiceAccount `default` and its ConfigMap `kube-root-ca.crt`, and empties those that are deleted:
// pods first, then the rest, then the namespace itself through `/finalize`. Counts what is left by asking the API, never by a
// cache: a namespace that goes too early would leave objects in nowhere.
import { asError } from "@wherry/core";
import { deepEqual, kinds, type KubeObject, type Namespace, resources, type Stored } from "@wherry/kube";
import type { Resource } from "@wherry/kube/client";
import { type Controller, controller, type Key, type Outcome, watching } from "@wherry/kube/controller";
import { inBatches } from "../batches.ts";
import type { ControllerEnvironment } from "../environment.ts";
import { isNamespaceTerminating, isReason, unlessGone } from "../errors.ts";
import { limits } from "../limits.ts";
import { isDeleting } from "../objects.ts";
import { pagesOf } from "../pages.ts";
import {
  type Content,
  defaultAccountOf,
  defaultServiceAccount,
  planRootCa,
  rootCaName,
  terminatingConditions,
} from "./plan.ts";

/** Spec finalizer of a namespace whose content is not removed yet. */
const finalizer = "kubernetes";

const contents: readonly Resource[] = kinds.filter((kind) => kind.namespaced);

export interface NamespaceEnvironment extends ControllerEnvironment {
  /** PEM of the cluster's CA. */
  readonly rootCa: string;
}

export function namespaceController(env: NamespaceEnvironment): Controller {
  const loop = new NamespaceLoop(env);
  const namespaceOf = ({ metadata }: Stored<KubeObject>): Key => metadata.namespace ?? "";
  return controller({
    name: "namespace",
    env,
    watches: [
      watching(resources.namespaces),
      watching(resources.configmaps, namespaceOf, { when: (next, previous) => nameIs(rootCaName, next ?? previous) }),
      watching(resources.serviceaccounts, namespaceOf, {
        when: (next, previous) => nameIs(defaultServiceAccount, next ?? previous),
      }),
      // While a namespace is emptied, each object that goes may have been the last one.
      ...contents
        .filter((resource) => resource !== (resources.events as Resource))
        .map((resource) =>
          watching(resource, namespaceOf, {
            when: (next, previous) => next === undefined && loop.isTerminating(previous?.metadata.namespace ?? ""),
          }),
        ),
    ],
    reconcile: (name) => loop.reconcile(name),
    workers: 4,
  });
}

function nameIs(name: string, object: Stored<KubeObject> | undefined): boolean {
  return object?.metadata.name === name;
}

class NamespaceLoop {
  readonly #env: NamespaceEnvironment;

  constructor(env: NamespaceEnvironment) {
    this.#env = env;
  }

  isTerminating(name: string): boolean {
    const namespace = this.#env.informers.for(resources.namespaces).get(name);
    return namespace !== undefined && isDeleting(namespace);
  }

  async reconcile(name: Key): Promise<Outcome> {
    const namespace = this.#env.informers.for(resources.namespaces).get(name);
    if (namespace === undefined) return undefined;
    if (isDeleting(namespace)) return this.#terminate(namespace);
    try {
      await Promise.all([this.#provideAccount(name), this.#provideRootCa(name)]);
    } catch (error) {
      if (!isNamespaceTerminating(error)) throw error;
    }
    return undefined;
  }

  async #provideAccount(namespace: string): Promise<void> {
    const { client, informers } = this.#env;
    if (informers.for(resources.serviceaccounts).get(`${namespace}/${defaultServiceAccount}`) !== undefined) return;
    await client.create(resources.serviceaccounts, defaultAccountOf(namespace));
  }

  async #provideRootCa(namespace: string): Promise<void> {
    const { client, informers, rootCa } = this.#env;
    const present = informers.for(resources.configmaps).get(`${namespace}/${rootCaName}`);
    const next = planRootCa(namespace, rootCa, present);
    if (next === undefined) return;
    if (present === undefined) await client.create(resources.configmaps, next);
    else await client.update(resources.configmaps, next);
  }

  async #terminate(namespace: Stored<Namespace>): Promise<Outcome> {
    const { client } = this.#env;
    const { name } = namespace.metadata;
    if (!(namespace.spec?.finalizers ?? []).includes(finalizer)) return undefined;
    let remaining: readonly Content[] = [];
    let failure: unknown;
    try {
      remaining = await this.#empty(name);
    } catch (error) {
      failure = error;
    }
    const fresh = await this.#fresh(name);
    if (fresh === undefined) return undefined;
    const message =
      failure === undefined ? undefined : `Failed to delete all resource types: ${asError(failure).message}`;
    const conditions = terminatingConditions(fresh, remaining, message, this.#env.clock.now());
    const status = { ...fresh.status, phase: "Terminating", conditions };
    const written = deepEqual(status, fresh.status)
      ? fresh
      : await client.updateStatus(resources.namespaces, { ...fresh, status });
    if (failure !== undefined) throw asError(failure);
    // What is left goes in its own time (a pod's grace period, a finalizer); its end makes the namespace due.
    if (remaining.length > 0) return { requeueAfterMs: limits.namespaceRecheckMs };
    await this.#finalize(written);
    return undefined;
  }

  async #fresh(name: string): Promise<Stored<Namespace> | undefined> {
    try {
      return await this.#env.client.get(resources.namespaces, name);
    } catch (error) {
      if (isReason(error, "NotFound")) return undefined;
      throw error;
    }
  }

  /** Deletes all that is there and says what is left. While pods are left, nothing else goes (KEP-5080). */
  async #empty(namespace: string): Promise<readonly Content[]> {
    const pods = await this.#emptyOf(resources.pods, namespace);
    if (pods !== undefined) return [pods];
    const others = contents.filter((resource) => resource !== (resources.pods as Resource));
    const left = await Promise.all(others.map((resource) => this.#emptyOf(resource, namespace)));
    return left.filter((content) => content !== undefined);
  }

  async #emptyOf(resource: Resource, namespace: string): Promise<Content | undefined> {
    const present = await this.#list(resource, namespace);
    const doomed = present.filter((object) => !isDeleting(object));
    await inBatches(doomed, limits.writesInFlight, async ({ metadata: { name, uid } }) => {
      const options = { propagationPolicy: "Background" as const, preconditions: { uid } };
      await unlessGone(this.#env.client.delete(resource, { name, namespace }, options));
    });
    if (present.length === 0) return undefined;
    const left = await this.#list(resource, namespace);
    if (left.length === 0) return undefined;
    const finalizers = new Map<string, number>();
    for (const { metadata } of left)
      for (const present of metadata.finalizers ?? []) finalizers.set(present, (finalizers.get(present) ?? 0) + 1);
    return { resource: `${resource.plural}.${resource.group}`, count: left.length, finalizers };
  }

  async #list(resource: Resource, namespace: string): Promise<readonly Stored<KubeObject>[]> {
    const objects: Stored<KubeObject>[] = [];
    for await (const page of pagesOf(this.#env.client, resource, namespace)) objects.push(...page);
    return objects;
  }

  async #finalize(namespace: Stored<Namespace>): Promise<void> {
    const finalizers = (namespace.spec?.finalizers ?? []).filter((present) => present !== finalizer);
    const next = { ...namespace, spec: { ...namespace.spec, finalizers } };
    try {
      await this.#env.client.updateSubresource(resources.namespaces, "finalize", next);
    } catch (error) {
      if (!isReason(error, "NotFound")) throw error;
    }
  }
}
