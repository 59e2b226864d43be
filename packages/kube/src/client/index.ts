// A light client for a Kubernetes API, ours or a real one.
export { type ClientOptions, createClient } from "./client.ts";
export type * from "./types.ts";
