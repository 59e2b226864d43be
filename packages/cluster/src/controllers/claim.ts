// Whose is it? Which of the objects that could belong to a controller are its own, which it takes up and which it lets go.
// Mirrors upstream pkg/controller/controller_ref_manager.go. The decision is pure; `carryOutClaim` writes it.
import { type KubeObject, type Selector, StatusError, type Stored } from "@wherry/kube";
import type { KubeClient, Resource } from "@wherry/kube/client";
import { controllerOf, isDeleting, ownerReferenceTo } from "./objects.ts";

export interface Claim<T extends KubeObject> {
  /** The controller's own, which its selector still matches. */
  readonly owned: readonly Stored<T>[];
  /** Match, and have no controller. */
  readonly adopt: readonly Stored<T>[];
  /** The controller's own, which its selector no longer matches. */
  readonly release: readonly Stored<T>[];
}

export function planClaim<T extends KubeObject>(
  owner: Stored<KubeObject>,
  selector: Selector,
  candidates: readonly Stored<T>[],
): Claim<T> {
  const owned: Stored<T>[] = [];
  const adopt: Stored<T>[] = [];
  const release: Stored<T>[] = [];
  for (const candidate of candidates) {
    const controller = controllerOf(candidate);
    const matches = selector.matches(candidate.metadata.labels ?? {});
    if (controller !== undefined) {
      if (controller.uid !== owner.metadata.uid) continue;
      if (matches) owned.push(candidate);
      else if (!isDeleting(owner)) release.push(candidate);
    } else if (matches && !isDeleting(owner) && !isDeleting(candidate)) adopt.push(candidate);
  }
  return { owned, adopt, release };
}

/**
 * Writes the claim, and returns what the controller owns now. Before it takes anything up it reads the owner afresh: an
 * owner of the same name that was made anew must not get the pods of the old one, nor a deleted one get any.
 */
export async function carryOutClaim<O extends KubeObject, T extends KubeObject>(
  client: KubeClient,
  owner: { readonly resource: Resource<O>; readonly object: Stored<O> },
  resource: Resource<T>,
  claim: Claim<T>,
): Promise<readonly Stored<T>[]> {
  for (const object of claim.release) await release(client, owner.object, resource, object);
  if (claim.adopt.length === 0) return claim.owned;
  const { name, namespace, uid } = owner.object.metadata;
  const fresh = await client.get(owner.resource, name, namespace);
  if (fresh.metadata.uid !== uid || isDeleting(fresh)) return claim.owned;
  const adopted: Stored<T>[] = [];
  for (const object of claim.adopt) {
    const reference = ownerReferenceTo(owner.resource, owner.object);
    const done = await patchOwners(client, resource, object, [reference]);
    if (done !== undefined) adopted.push(done);
  }
  return [...claim.owned, ...adopted];
}

async function release<T extends KubeObject>(
  client: KubeClient,
  owner: Stored<KubeObject>,
  resource: Resource<T>,
  object: Stored<T>,
): Promise<void> {
  await patchOwners(client, resource, object, [{ $patch: "delete", uid: owner.metadata.uid }]);
}

/** Undefined when the object is gone: then there is nothing to own or to let go. */
async function patchOwners<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  { metadata }: Stored<T>,
  ownerReferences: readonly unknown[],
): Promise<Stored<T> | undefined> {
  const target = {
    name: metadata.name,
    ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
  };
  try {
    return await client.patch(resource, target, "strategic", { metadata: { uid: metadata.uid, ownerReferences } });
  } catch (error) {
    if (error instanceof StatusError && error.reason === "NotFound") return undefined;
    throw error;
  }
}
