// Whose queues a process means: those of its pod's namespace.
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Where Kubernetes mounts a pod's service account. */
const mounted = "/var/run/secrets/kubernetes.io/serviceaccount";

/** POD_NAMESPACE, else what the pod's service account says; outside of a pod `default`. */
export function ownNamespace(env: Readonly<Record<string, string | undefined>>): string {
  const { POD_NAMESPACE: named = "", KUBERNETES_SERVICE_HOST: api = "" } = env;
  if (named !== "" || api === "") return named || "default";
  try {
    const text = readFileSync(join(env["WHERRY_SERVICEACCOUNT_DIR"] ?? mounted, "namespace"), "utf8").trim();
    return text || "default";
  } catch {
    return "default";
  }
}
