// Where requests come from and where their answers go. A server runs requests; whether one came in a ZeroMQ message, over HTTP or
// from a broker is its caller's business; so is how a stream's items travel. Types only.
import type { ServiceError } from "../errors.ts";
import type { ContentType } from "../protocol/codes.ts";
import type { Content, TextContent } from "../protocol/content.ts";
import type { Party } from "./party.ts";
import type { Outflow } from "../stream/window.ts";

/** Who asked. Each request that was accepted is answered exactly once, by `reply` or by `fail`, after a cancellation too. */
export interface Caller {
  /** For handlers and logs: `tcp://127.0.0.1:53211`. */
  readonly address: string;
  /** The name of the codec that it speaks; absent: JSON alone. */
  readonly codec?: string | undefined;
  /** Who it has proven to be; absent: nobody. */
  readonly userId?: string | undefined;
  /** It brings what a broker has stored: the methods that are called through one run for it alone. */
  readonly delivers?: true;
  /** What it has of what all share; absent: the service's own, a broker's. */
  readonly party?: Party;
  /** The bodies of its requests are in the service's budget already, and not counted again where they wait. */
  readonly holdsBody?: true;
  /** @param id the caller's own number of the request. @param content whose JSON is text still: a socket writes it right to its place */
  reply(id: number, content: TextContent): void;
  fail(id: number, error: ServiceError): void;
}

/** Who opened a stream. A stream is over with its one `reply` or `fail`; nothing else of it follows. */
export interface StreamCaller extends Omit<Caller, "delivers" | "holdsBody"> {
  /** What all its streams have under way to it. */
  readonly outflow: Outflow;
  /** The stream takes so many more items and bytes; the first time it says that it is taken, and may be nothing. */
  grant(id: number, items: number, bytes: number): void;
  /** An item of the stream; only as many as the caller granted it. @param place in the stream, from 1, however many there are */
  item(id: number, place: number, content: Content): void;
  /** The handler wants no more items. */
  stop(id: number): void;
}

/** A request, or the opening of a stream, as its caller brings it. */
export interface Incoming {
  /** Chosen by the caller, and given back with the answer. */
  readonly id: number;
  readonly method: string;
  /** Idempotency key; empty for none. */
  readonly key: string;
  /** W3C `traceparent`; empty for none. */
  readonly trace: string;
  /** W3C `tracestate`; empty or absent for none. */
  readonly traceState?: string | undefined;
  /** 1 for the first. */
  readonly attempt: number;
  readonly content: ContentType;
  readonly body: Uint8Array | undefined;
  /** Milliseconds that the caller waits; a request that was not started by then is not started at all. `Infinity`, of a stream: for ever. */
  readonly withinMs: number;
  /** Of a stream that is opened again: items that the caller has got. Absent: none. */
  readonly after?: number;
}

/** What brings requests in besides the messaging socket; it lives and leaves with its server. */
export interface Source {
  /** The service is leaving: bring nothing new, and tell whom you can. */
  leave(): void;
  /** Nothing more comes, and nothing of its own is under way: the drain waits for that, up to its deadline. */
  readonly quiet: boolean;
  /** Flushes what is answered, and closes. Never rejects. */
  close(lingerMs: number): Promise<void>;
}
