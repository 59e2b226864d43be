// ZeroMQ sockets in TypeScript, wire-compatible with libzmq.
import { Dealer } from "./patterns/dealer.ts";
import { Reply } from "./patterns/rep.ts";
import { Request } from "./patterns/req.ts";
import { Router } from "./patterns/router.ts";
import type { RouterSocket, Socket, SocketOptions } from "./types.ts";

export type * from "./types.ts";
export type { Security } from "./mechanism/mechanism.ts";
export {
  allowUsers,
  type Authenticate,
  type AuthenticateOptions,
  type CurveCredentials,
  type PlainCredentials,
  type Verdict,
} from "./mechanism/authenticate.ts";
export { plainClient, type PlainClientOptions, plainServer } from "./mechanism/plain.ts";
export { z85Decode, z85Encode } from "./mechanism/z85.ts";

/**
 * Makes a ROUTER socket (RFC 28): knows its peers by routing id.
 * @throws WherryError `ZMTP_OPTION_INVALID`
 * @example
 * const server = router();
 * await server.bind("tcp://127.0.0.1:5555");
 * for await (const [from, ...body] of server) server.send([from, ...body]);
 */
export function router(options: SocketOptions = {}): RouterSocket {
  return new Router(options);
}

/**
 * Makes a DEALER socket (RFC 28): sends to its peers in turn, receives from all.
 * @throws WherryError `ZMTP_OPTION_INVALID`
 */
export function dealer(options: SocketOptions = {}): Socket {
  return new Dealer(options);
}

/**
 * Makes a REQ socket (RFC 28): request, reply, request, reply.
 * @throws WherryError `ZMTP_OPTION_INVALID`
 */
export function request(options: SocketOptions = {}): Socket {
  return new Request(options);
}

/**
 * Makes a REP socket (RFC 28): answers one request at a time.
 * @throws WherryError `ZMTP_OPTION_INVALID`
 */
export function reply(options: SocketOptions = {}): Socket {
  return new Reply(options);
}
