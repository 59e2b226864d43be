// The Kubernetes objects as types: facts generated from upstream, and the few shapes that are not kinds.
export type * from "./generated/definitions.ts";
export type * from "./object.ts";
