// The mechanisms of the interoperability matrix, as options of our sockets and of zeromq.js's. A mechanism that is added here is
// tested with every pair of socket types.
import type { SocketOptions } from "./index.ts";

export interface Security {
  readonly ours: { readonly server: SocketOptions; readonly client: SocketOptions };
  readonly libzmq: { readonly server: object; readonly client: object };
}

export const mechanisms: readonly (readonly [string, Security])[] = [
  ["NULL", { ours: { server: {}, client: {} }, libzmq: { server: {}, client: {} } }],
];
