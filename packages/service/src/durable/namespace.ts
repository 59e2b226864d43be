// Whose queues a process means: those of its pod's namespace.
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Where Kubernetes mounts a pod's service account. */
const mounted = "/var/run/secrets/kubernetes.io/serviceaccount";

/** POD_NAMESPACE, else what the pod's service account says, else `default`; undefined outside of a pod. */
export function ownNamespace(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const { POD_NAMESPACE: named = "", KUBERNETES_SERVICE_HOST: api = "" } = env;
  if (named !== "") return named;
  if (api === "") return undefined;
  try {
    const text = readFileSync(join(env["WHERRY_SERVICEACCOUNT_DIR"] ?? mounted, "namespace"), "utf8").trim();
    return text || "default";
  } catch {
    return "default";
  }
}
