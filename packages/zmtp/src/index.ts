// ZeroMQ sockets in TypeScript, wire-compatible with libzmq.
export type * from "./types.ts";
