// Nothing is created in a namespace that is not there or goes away, and some namespaces never go away
// (k8s.io/apiserver pkg/admission/plugin/namespace/lifecycle).
import { forbidden, type Namespace, notFound, resources } from "@wherry/kube";
import type { AdmissionPlugin } from "./admission.ts";

const permanent = new Set(["default", "kube-system", "kube-public"]);

export const namespaceLifecycle: AdmissionPlugin = ({ operation, kind, namespace, next, subresource }, lookup) => {
  const name = next.metadata.name ?? "";
  if (operation === "DELETE") {
    if (kind === resources.namespaces && permanent.has(name))
      throw forbidden(kind, name, "this namespace may not be deleted");
    return;
  }
  if (operation !== "CREATE" || namespace === undefined || subresource !== undefined) return;
  const home = lookup.find("namespaces", undefined, namespace) as Namespace | undefined;
  if (home === undefined) throw notFound(resources.namespaces, namespace);
  if (home.metadata?.deletionTimestamp === undefined && home.status?.phase !== "Terminating") return;
  const message = `namespace ${namespace} is being terminated`;
  throw forbidden(kind, name, `unable to create new content in namespace ${namespace} because it is being terminated`, [
    { reason: "NamespaceTerminating", message, field: "metadata.namespace" },
  ]);
};
