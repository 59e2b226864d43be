// `/scale`: the replicas of a Deployment or ReplicaSet as an autoscaling/v1 Scale (k8s: registry/apps/*/storage).
import { type Deployment, type Mutable, methodNotAllowed, type Scale, selectorOf } from "@wherry/kube";
import { type Call, nameOf, type Verb, writeOptions } from "../call.ts";
import { readObject } from "../body.ts";
import { readPatch } from "../patch.ts";
import { cloneDraft, type Draft, type StoredObject } from "../registry/objects.ts";
import { respondObject } from "../respond.ts";
import type { ApiResponse } from "../types.ts";

const expected = { kind: "Scale", apiVersion: "autoscaling/v1", definition: "Scale" };

function scaleOf(object: StoredObject): Scale {
  const { metadata, spec, status } = object as Deployment;
  return {
    kind: expected.kind,
    apiVersion: expected.apiVersion,
    metadata: {
      name: object.metadata.name,
      ...(metadata?.namespace !== undefined && { namespace: metadata.namespace }),
      uid: object.metadata.uid,
      resourceVersion: object.metadata.resourceVersion,
      ...(metadata?.creationTimestamp !== undefined && { creationTimestamp: metadata.creationTimestamp }),
    },
    spec: { replicas: spec?.replicas ?? 0 },
    status: { replicas: status?.replicas ?? 0, selector: selectorOf(spec?.selector).toString() },
  };
}

export async function handleScale(call: Call, verb: Verb): Promise<ApiResponse> {
  const { route, registry, request, warnings } = call;
  if (verb === "get") return respondObject(scaleOf(registry.get(route.namespace, nameOf(route)).object));
  if (verb !== "update" && verb !== "patch") throw methodNotAllowed(route.kind, verb);
  const patched = verb === "patch" ? readPatch(request, expected, expected, warnings) : undefined;
  const change = (current: StoredObject): Draft =>
    withScale(current, patched === undefined ? readObject(request, expected, warnings) : patched(scaleOf(current)));
  const { object } = await registry.update(
    route.namespace,
    nameOf(route),
    "object",
    change,
    writeOptions(call, "UPDATE"),
  );
  return respondObject(scaleOf(object));
}

/** The object with the Scale's replicas; its version and uid count as preconditions. Validation sees to the number. */
function withScale(current: StoredObject, scale: Draft): Draft {
  const next = cloneDraft(current);
  const { resourceVersion, uid } = scale.metadata;
  if (resourceVersion !== undefined) next.metadata.resourceVersion = resourceVersion;
  if (uid !== undefined) next.metadata.uid = uid;
  const spec = next.spec as Mutable<NonNullable<Deployment["spec"]>>;
  spec.replicas = (scale as unknown as Scale).spec?.replicas ?? 0;
  return next;
}
