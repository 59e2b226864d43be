// The client's configuration inside a pod (https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/).
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { HttpTransportOptions } from "./http-transport.ts";

const mounted = "/var/run/secrets/kubernetes.io/serviceaccount";

export interface InClusterConfig extends HttpTransportOptions {
  /** The pod's own. */
  readonly namespace: string;
}

/**
 * Undefined outside of a pod: without KUBERNETES_SERVICE_HOST and _PORT, or without a service account's files. Those are in
 * the folder that WHERRY_SERVICEACCOUNT_DIR names, else where Kubernetes mounts them.
 */
export function inCluster(env: Readonly<Record<string, string | undefined>>): InClusterConfig | undefined {
  const host = env["KUBERNETES_SERVICE_HOST"];
  const port = env["KUBERNETES_SERVICE_PORT"];
  if (host === undefined || host === "" || port === undefined || port === "") return undefined;
  const folder = env["WHERRY_SERVICEACCOUNT_DIR"] ?? mounted;
  const tokenFile = join(folder, "token");
  const token = read(tokenFile);
  const ca = read(join(folder, "ca.crt"));
  if (token === undefined || ca === undefined) return undefined;
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    ca,
    tokenFile,
    namespace: read(join(folder, "namespace"))?.trim() ?? "default",
  };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
