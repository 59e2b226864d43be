// Namespaces: they stay until the namespace controller has emptied them and cleared spec.finalizers through /finalize
// (k8s: pkg/registry/core/namespace).
import type { Namespace } from "@wherry/kube";
import type { Strategy } from "../registry/strategy.ts";

const nameLabel = "kubernetes.io/metadata.name";

export const namespaceStrategy: Strategy = {
  prepareCreate(draft) {
    const spec = (draft as unknown as Namespace).spec ?? {};
    const finalizers = new Set(spec.finalizers);
    draft.spec = { ...spec, finalizers: [...finalizers.add("kubernetes")] };
    draft.status = { phase: "Active" };
    draft.metadata.labels = { ...draft.metadata.labels, [nameLabel]: draft.metadata.name ?? "" };
  },

  prepareUpdate(next, current) {
    // Only /finalize changes these.
    const { finalizers } = (current as Namespace).spec ?? {};
    if (finalizers === undefined) delete next.spec;
    else next.spec = { ...(next.spec as object), finalizers };
    next.metadata.labels = { ...next.metadata.labels, [nameLabel]: current.metadata.name };
  },

  holdsDeletion: (object) => ((object as unknown as Namespace).spec?.finalizers?.length ?? 0) > 0,

  prepareDeletion(next) {
    next.status = { ...(next.status as object), phase: "Terminating" };
  },
};
