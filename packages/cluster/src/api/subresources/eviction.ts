// `pods/NAME/eviction`: a deletion that the pod's disruption budget must allow (k8s: registry/core/pod/storage/eviction.go; kubectl drain
// asks for nothing else). Three writes, one after the other: the budget is used, the pod is marked, the pod is deleted; what a budget allows is its controller's to say.
import {
  badRequest,
  type DeleteOptions,
  forbidden,
  internalError,
  methodNotAllowed,
  type Pod,
  type PodDisruptionBudget,
  resources,
  selectorOf,
  StatusError,
  tooManyRequests,
} from "@wherry/kube";
import { asObject, readBody } from "../body.ts";
import { type Call, nameOf, type Verb, writeOptions } from "../call.ts";
import { limits } from "../limits.ts";
import { isDryRun } from "../query.ts";
import { checkPreconditions, timestamp } from "../registry/deletion.ts";
import { cloneDraft, type Draft, type StoredObject } from "../registry/objects.ts";
import { respondObject } from "../respond.ts";
import type { ApiResponse } from "../types.ts";

const success = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 };
const budgets = resources.poddisruptionbudgets;
const wouldViolate = "Cannot evict pod as it would violate the pod's disruption budget.";

export async function handleEviction(call: Call, verb: Verb): Promise<ApiResponse> {
  const { route, request, warnings } = call;
  if (verb !== "create") throw methodNotAllowed(route.kind, verb);
  const received = readBody(request, "Eviction") ?? { value: {}, duplicates: [] };
  const expected = { kind: "Eviction", apiVersion: "policy/v1", definition: "Eviction" };
  const eviction = asObject(received, expected, "Warn", warnings);
  const name = eviction.metadata.name ?? nameOf(route);
  if (name !== nameOf(route))
    throw badRequest(`name in URL does not match name in Eviction object: ${nameOf(route)} and ${name}`);
  const options = (eviction["deleteOptions"] ?? {}) as DeleteOptions;
  const dryRun = isDryRun(request.query, options.dryRun);
  await evict(call, name, options, dryRun, 1);
  return respondObject(success, 201);
}

async function evict(
  call: Call,
  name: string,
  options: DeleteOptions,
  dryRun: boolean,
  attempt: number,
): Promise<void> {
  const { route, registry } = call;
  const { object } = registry.get(route.namespace, name);
  // Before a budget is used: an eviction that means another pod, or another version, can't succeed.
  checkPreconditions(resources.pods, object, options);
  const leave = await useBudget(call, object as Pod, dryRun);
  // A pod that was let go because it is not ready must not have become so meanwhile.
  const asItWas = leave === "granted" ? undefined : object.metadata.resourceVersion;
  const version = options.preconditions?.resourceVersion ?? asItWas;
  try {
    const marked = dryRun || isOver(object as Pod) ? version : await markDisrupted(call, name, version);
    const preconditions = {
      uid: object.metadata.uid,
      ...(version === undefined || marked === undefined ? {} : { resourceVersion: marked }),
    };
    await registry.delete(route.namespace, name, { ...options, preconditions }, writeOptions(call, "DELETE", dryRun));
  } catch (error) {
    const isChanged = error instanceof StatusError && error.reason === "Conflict";
    // What took from a budget, or means one version, is tried once: the next try would take again, or fail again.
    if (!isChanged || leave === "granted" || options.preconditions?.resourceVersion !== undefined) throw error;
    if (leave !== "pending") throw beingProcessed(leave.unreadyOf);
    if (attempt >= limits.conflictTriesMax) throw error;
    await evict(call, name, options, dryRun, attempt + 1);
  }
}

const isOver = ({ metadata, status }: Pod): boolean =>
  metadata?.deletionTimestamp !== undefined || status?.phase === "Succeeded" || status?.phase === "Failed";

/**
 * Why a pod may go: there is no budget, or it was taken from; or the pod serves nobody, and goes only as long as that is so: it
 * is not running yet, or is not ready and took nothing of the budget that is named.
 */
type Leave = "granted" | "pending" | { readonly unreadyOf: string };

/** @throws StatusError 429 when the budget does not allow it, 500 when there are several. */
async function useBudget(call: Call, pod: Pod, dryRun: boolean): Promise<Leave> {
  if (isOver(pod)) return "granted";
  if (pod.status?.phase === "Pending" || pod.status?.phase === undefined) return "pending";
  const [budget, ...others] = budgetsOf(call, pod);
  if (budget === undefined) return "granted";
  if (others.length > 0)
    throw internalError(
      new Error("This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."),
    );
  const isReady = pod.status.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;
  const name = budget.metadata?.name ?? "";
  if (!isReady && mayGoUnready(budget)) return { unreadyOf: name };
  const now = timestamp(call.parts.clock.now());
  const change = (current: StoredObject): Draft => taken(current, pod.metadata?.name ?? "", now);
  await call.parts
    .registryOf(budgets)
    .update(call.route.namespace, name, "status", change, { ...writeOptions(call, "UPDATE"), dryRun });
  return "granted";
}

function budgetsOf({ parts, route }: Call, { metadata }: Pod): PodDisruptionBudget[] {
  const registry = parts.registryOf(budgets);
  return registry
    .list(route.namespace, {})
    .entries.map((entry) => registry.item(entry).object as PodDisruptionBudget)
    .filter(({ spec }) => spec?.selector !== undefined && selectorOf(spec.selector).matches(metadata?.labels));
}

function mayGoUnready({ spec, status }: PodDisruptionBudget): boolean {
  if (spec?.unhealthyPodEvictionPolicy === "AlwaysAllow") return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {};
  return currentHealthy >= desiredHealthy && desiredHealthy > 0;
}

const because = (message: string) => [{ reason: "DisruptionBudget", message }];

/** It makes clients come again, once whoever is at it is done. */
function beingProcessed(budget: string): StatusError {
  const why = `The disruption budget ${budget} is still being processed by the server.`;
  return tooManyRequests(wouldViolate, limits.budgetRetryAfterSeconds, because(why));
}

/** The budget with one disruption less. @throws StatusError 429, 403 */
function taken(current: StoredObject, pod: string, now: string): Draft {
  const { metadata, status = {} } = current as PodDisruptionBudget;
  const name = metadata?.name ?? "";
  const { observedGeneration = 0, disruptionsAllowed = 0, disruptedPods = {} } = status;
  const { desiredHealthy = 0, currentHealthy = 0 } = status;
  if (observedGeneration < (metadata?.generation ?? 0)) throw beingProcessed(name);
  if (Object.keys(disruptedPods).length > limits.disruptedPodsMax)
    throw forbidden(budgets, name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller");
  if (disruptionsAllowed <= 0) {
    const why = `The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`;
    throw tooManyRequests(wouldViolate, 0, because(why));
  }
  const left = disruptionsAllowed - 1;
  const conditions = left > 0 ? status.conditions : status.conditions?.map((one) => usedUp(one, now));
  const next = cloneDraft(current);
  next.status = {
    ...status,
    disruptionsAllowed: left,
    disruptedPods: { ...disruptedPods, [pod]: now },
    ...(conditions === undefined ? {} : { conditions }),
  };
  return next;
}

type Condition = NonNullable<NonNullable<PodDisruptionBudget["status"]>["conditions"]>[number];

const usedUp = (condition: Condition, now: string): Condition =>
  condition.type === "DisruptionAllowed"
    ? { ...condition, status: "False", reason: "InsufficientPods", message: "", lastTransitionTime: now }
    : condition;

/**
 * Says on the pod why it goes, for who looks at how it ended.
 * @returns the version that this made.
 * @throws StatusError 409 when it is not of that version any more
 */
async function markDisrupted(call: Call, name: string, version: string | undefined): Promise<string | undefined> {
  const { registry, route, parts } = call;
  const now = timestamp(parts.clock.now());
  const change = (current: StoredObject): Draft => {
    const { status } = current as Pod;
    const disrupted = {
      ...{ type: "DisruptionTarget", status: "True", reason: "EvictionByEvictionAPI" },
      message: "Eviction API: evicting",
      lastTransitionTime: now,
    };
    const next = cloneDraft(current);
    const conditions = [...(status?.conditions ?? []).filter(({ type }) => type !== disrupted.type), disrupted];
    next.status = { ...status, conditions };
    if (version !== undefined) next.metadata.resourceVersion = version;
    return next;
  };
  const { object } = await registry.update(route.namespace, name, "status", change, writeOptions(call, "UPDATE"));
  return object.metadata.resourceVersion;
}
