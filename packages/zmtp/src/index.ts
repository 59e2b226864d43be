// ZeroMQ sockets in TypeScript, wire-compatible with libzmq.
import { Dealer } from "./patterns/dealer.ts";
import { Pair } from "./patterns/pair.ts";
import { Publisher, XPublisher } from "./patterns/publisher.ts";
import { Pull } from "./patterns/pull.ts";
import { Push } from "./patterns/push.ts";
import { Reply } from "./patterns/rep.ts";
import { Request } from "./patterns/req.ts";
import { Router } from "./patterns/router.ts";
import { Subscriber, XSubscriber } from "./patterns/subscriber.ts";
import type {
  PublisherOptions,
  PublisherSocket,
  PullSocket,
  PushSocket,
  RouterSocket,
  Socket,
  SocketOptions,
  SubscriberSocket,
  XPublisherOptions,
  XPublisherSocket,
  XSubscriberSocket,
} from "./types.ts";

export type * from "./types.ts";
export { hostOf } from "./endpoint.ts";
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
export { recycle } from "./wire/recycled.ts";
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

/**
 * Makes a PUB socket (RFC 29): sends each message to whoever subscribed to its beginning.
 * @throws WherryError `ZMTP_OPTION_INVALID`
 * @example
 * const news = publisher();
 * await news.bind("tcp://127.0.0.1:5556");
 * await news.writable(); // somebody has subscribed
 * news.send(["weather.paris", "sun"]);
 */
export function publisher(options: PublisherOptions = {}): PublisherSocket {
  return new Publisher(options);
}

/**
 * Makes a SUB socket (RFC 29): receives what it subscribed to.
 * @throws WherryError `ZMTP_OPTION_INVALID`
 * @example
 * const reader = subscriber();
 * reader.subscribe("weather.");
 * reader.connect("tcp://127.0.0.1:5556");
 * for await (const [topic, text] of reader) console.log(`${topic}: ${text}`);
 */
export function subscriber(options: SocketOptions = {}): SubscriberSocket {
  return new Subscriber(options);
}

/**
 * Makes an XPUB socket (RFC 29): a PUB that reads its peers' subscriptions, for proxies and for publishing on demand.
 * @throws WherryError `ZMTP_OPTION_INVALID`
 */
export function xpublisher(options: XPublisherOptions = {}): XPublisherSocket {
  return new XPublisher(options);
}

/**
 * Makes an XSUB socket (RFC 29): a SUB that sends its subscriptions as messages, for proxies.
 * @throws WherryError `ZMTP_OPTION_INVALID`
 */
export function xsubscriber(options: SocketOptions = {}): XSubscriberSocket {
  return new XSubscriber(options);
}

/**
 * Makes a PUSH socket (RFC 30): hands messages to its peers in turn.
 * @throws WherryError `ZMTP_OPTION_INVALID`
 */
export function push(options: SocketOptions = {}): PushSocket {
  return new Push(options);
}

/**
 * Makes a PULL socket (RFC 30): takes messages from its peers in turn.
 * @throws WherryError `ZMTP_OPTION_INVALID`
 */
export function pull(options: SocketOptions = {}): PullSocket {
  return new Pull(options);
}

/**
 * Makes a PAIR socket (RFC 31): one peer, both ways.
 * @throws WherryError `ZMTP_OPTION_INVALID`
 */
export function pair(options: SocketOptions = {}): Socket {
  return new Pair(options);
}
