// The control-loop kit: informers, work queue, reconciler loop.
export type * from "./types.ts";
