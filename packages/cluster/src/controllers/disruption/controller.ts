// Keeps the status of each PodDisruptionBudget: how many pods may be evicted now. What that is, is decided in plan.ts; here are the
// caches and the writes. It evicts nobody.
import { type Deployment, type Pod, type PodDisruptionBudget, resources, type Stored } from "@wherry/kube";
import {
  type Controller,
  controller,
  type Informer,
  type Key,
  keyOf,
  type Outcome,
  watching,
} from "@wherry/kube/controller";
import type { ControllerEnvironment } from "../environment.ts";
import { unlessGone } from "../errors.ts";
import { type WorkloadCaches, workloadCaches } from "../indexes.ts";
import { controllerOf } from "../objects.ts";
import { cachedSelector } from "../selectors.ts";
import { type BudgetPlan, failedStatus, planBudget, sameStatus, type Scale, UnknownScaleError } from "./plan.ts";

export function disruptionController(env: ControllerEnvironment): Controller {
  const budgets = env.informers.for(resources.poddisruptionbudgets);
  const loop = new DisruptionLoop(env, budgets);
  const labelled = (namespace: string | undefined, labels: { readonly [key: string]: string } | undefined): Key[] =>
    budgets
      .list(namespace)
      .filter(({ spec }) => cachedSelector(spec?.selector).matches(labels))
      .map(keyOf);
  const scaled = ({ metadata, spec }: Stored<Deployment>): Key[] =>
    labelled(metadata.namespace, spec?.template.metadata?.labels);
  return controller({
    name: "disruption",
    env,
    watches: [
      watching(resources.poddisruptionbudgets),
      watching(resources.pods, ({ metadata }) => labelled(metadata.namespace, metadata.labels)),
      // The scale is in the cache perhaps later than the pods that it makes.
      watching(resources.deployments, scaled, { when: hasScaled }),
      watching(
        resources.replicasets,
        ({ metadata, spec }) => labelled(metadata.namespace, spec?.template?.metadata?.labels),
        {
          when: hasScaled,
        },
      ),
    ],
    reconcile: (key) => loop.reconcile(key),
  });
}

interface Scaled {
  readonly spec?: { readonly replicas?: number };
}

const hasScaled = (next: Scaled | undefined, previous: Scaled | undefined): boolean =>
  next?.spec?.replicas !== previous?.spec?.replicas;

class DisruptionLoop {
  readonly #env: ControllerEnvironment;
  readonly #budgets: Informer<PodDisruptionBudget>;
  readonly #caches: WorkloadCaches;

  constructor(env: ControllerEnvironment, budgets: Informer<PodDisruptionBudget>) {
    this.#env = env;
    this.#budgets = budgets;
    this.#caches = workloadCaches(env);
  }

  async reconcile(key: Key): Promise<Outcome> {
    const budget = this.#budgets.get(key);
    if (budget === undefined) return undefined;
    const plan = this.#plan(budget);
    await this.#write(budget, plan.status);
    this.#tell(budget, plan);
    return plan.recheckAfterMs === undefined ? undefined : { requeueAfterMs: plan.recheckAfterMs };
  }

  #plan(budget: Stored<PodDisruptionBudget>): BudgetPlan {
    const { clock, recorder } = this.#env;
    const nowMs = clock.now();
    const selector = cachedSelector(budget.spec?.selector);
    const pods = this.#caches.pods
      .list(budget.metadata.namespace)
      .filter(({ metadata }) => selector.matches(metadata.labels));
    if (pods.length === 0) recorder.event(budget, "Normal", "NoPods", "No matching pods found");
    try {
      return planBudget({ budget, pods, scaleOf: (pod) => this.#scaleOf(pod), nowMs });
    } catch (error) {
      if (!(error instanceof UnknownScaleError)) throw error;
      const message = `Failed to calculate the number of expected pods: ${error.message}`;
      recorder.event(budget, "Warning", "CalculateExpectedPodCountFailed", message);
      const status = failedStatus(budget, error, nowMs);
      return { status, recheckAfterMs: undefined, notDeleted: [], unmanaged: [] };
    }
  }

  /** A Deployment's, through the ReplicaSet between them, so that a rollout's two sets count as one. */
  #scaleOf(pod: Stored<Pod>): Scale | undefined {
    const owner = controllerOf(pod);
    if (owner?.kind !== "ReplicaSet") return undefined;
    const { namespace = "" } = pod.metadata;
    const set = this.#caches.replicaSets.get(`${namespace}/${owner.name}`);
    if (set?.metadata.uid !== owner.uid) return undefined;
    const above = controllerOf(set);
    if (above === undefined) return { uid: set.metadata.uid, replicas: set.spec?.replicas ?? 1 };
    if (above.kind !== "Deployment") return undefined;
    const deployment = this.#caches.deployments.get(`${namespace}/${above.name}`);
    if (deployment?.metadata.uid !== above.uid) return undefined;
    return { uid: above.uid, replicas: deployment.spec?.replicas ?? 1 };
  }

  /** Of a version that is not the newest any more it is refused, and this pass repeated. */
  async #write(budget: Stored<PodDisruptionBudget>, status: BudgetPlan["status"]): Promise<void> {
    if (sameStatus(budget.status, status)) return;
    await unlessGone(this.#env.client.updateStatus(resources.poddisruptionbudgets, { ...budget, status }));
  }

  #tell(budget: Stored<PodDisruptionBudget>, { notDeleted, unmanaged }: BudgetPlan): void {
    const { recorder } = this.#env;
    const { name, namespace = "" } = budget.metadata;
    for (const pod of notDeleted)
      recorder.event(
        pod,
        "Warning",
        "NotDeleted",
        `Pod was expected by PDB ${namespace}/${name} to be deleted but it wasn't`,
      );
    if (unmanaged.length === 0) return;
    const names = unmanaged.slice(0, 5).map(({ metadata }) => metadata.name);
    recorder.event(
      budget,
      "Warning",
      "UnmanagedPods",
      `Pods that this PodDisruptionBudget selects have no controller, and are not counted as expected: ${names.join(", ")}`,
    );
  }
}
