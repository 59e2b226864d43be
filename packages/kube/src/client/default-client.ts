// The client that a program gets without saying which: that of its own pod, else that of the user's kubeconfig.
import { type ClientOptions, createClient } from "./client.ts";
import { type HttpTransportOptions, httpTransport } from "./http-transport.ts";
import { inCluster } from "./in-cluster.ts";
import type { KubeClient } from "./types.ts";

export interface DefaultConfigOptions {
  /** A kubeconfig's path or context: then the pod's own service account is not looked at. */
  readonly kubeconfig?: string;
  readonly context?: string;
  /** process.env when absent. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface DefaultConfig extends HttpTransportOptions {
  /** The pod's, or that of the kubeconfig's context. */
  readonly namespace: string;
}

/** @throws WherryError `KUBE_CONFIG` when there is neither, or what is there can't be used. */
export async function defaultConfig(options: DefaultConfigOptions = {}): Promise<DefaultConfig> {
  const { kubeconfig, context, env = process.env } = options;
  const inside = kubeconfig === undefined && context === undefined ? inCluster(env) : undefined;
  if (inside !== undefined) return inside;
  // Loaded only here: inside a cluster nobody needs it.
  const { loadKubeconfig } = await import("./kubeconfig.ts");
  return loadKubeconfig(kubeconfig, context, env);
}

/**
 * A client of `defaultConfig`. Its idle connections don't keep the process alive.
 * @example
 * const client = await defaultClient();
 * const slices = await client.list(resources.endpointslices, { namespace: "default" });
 */
export async function defaultClient(options: DefaultConfigOptions & ClientOptions = {}): Promise<KubeClient> {
  return createClient(httpTransport(await defaultConfig(options)), options);
}
