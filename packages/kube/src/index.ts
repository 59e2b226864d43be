// The Kubernetes object model, pure: no I/O, no timers. Client: `@wherry/kube/client`; loops: `@wherry/kube/controller`.
export type * from "./types/index.ts";
export { type KindInfo, kinds, resources } from "./schema/kinds.ts";
