// A light client for a Kubernetes API, ours or a real one.
export type * from "./types.ts";
