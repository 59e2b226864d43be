// Query parameters, content types and bodies of requests (https://kubernetes.io/docs/reference/kubernetes-api/common-parameters/).
import type { DeleteOptions, ListOptions, PatchType, WriteOptions } from "./types.ts";

/** https://kubernetes.io/docs/reference/using-api/api-concepts/#patch-and-apply. JSON is YAML, so `apply` takes it too. */
export const patchContentTypes: Readonly<Record<PatchType, string>> = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
};

export function listQuery(options: ListOptions): URLSearchParams {
  const query = new URLSearchParams();
  if (options.labelSelector !== undefined && options.labelSelector !== "")
    query.set("labelSelector", options.labelSelector);
  if (options.fieldSelector !== undefined && options.fieldSelector !== "")
    query.set("fieldSelector", options.fieldSelector);
  if (options.limit !== undefined) query.set("limit", String(options.limit));
  if (options.continue !== undefined && options.continue !== "") query.set("continue", options.continue);
  if (options.resourceVersion !== undefined) query.set("resourceVersion", options.resourceVersion);
  return query;
}

export function writeQuery(options: WriteOptions): URLSearchParams {
  const query = new URLSearchParams();
  if (options.fieldManager !== undefined) query.set("fieldManager", options.fieldManager);
  if (options.dryRun === true) query.set("dryRun", "All");
  if (options.force !== undefined) query.set("force", String(options.force));
  return query;
}

/** The body of a DELETE, or undefined when nothing in it would differ from the defaults. */
export function deleteBody(options: DeleteOptions): object | undefined {
  const { gracePeriodSeconds, propagationPolicy, preconditions } = options;
  if (gracePeriodSeconds === undefined && propagationPolicy === undefined && preconditions === undefined)
    return undefined;
  return {
    apiVersion: "v1",
    kind: "DeleteOptions",
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
    ...(preconditions === undefined ? {} : { preconditions }),
  };
}
