// A light client for a Kubernetes API, ours or a real one.
export { type ClientOptions, createClient } from "./client.ts";
export { type DefaultConfig, type DefaultConfigOptions, defaultClient, defaultConfig } from "./default-client.ts";
export { type HttpTransport, type HttpTransportOptions, httpTransport } from "./http-transport.ts";
export { type InClusterConfig, inCluster } from "./in-cluster.ts";
export { type KubeconfigContext, loadKubeconfig } from "./kubeconfig.ts";
export type * from "./types.ts";
