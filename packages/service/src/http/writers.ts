// How a stream's items are written over HTTP: as lines of JSON, or as Server-Sent Events. Each ends with one line or event that is
// no item, so that an answer that was cut off can't be taken for a whole one. Knows the forms, and nothing of methods.
import type { Clock, Timer } from "@wherry/core";
import type { ServiceError } from "../errors.ts";
import { httpBeatMs } from "../limits.ts";
import { contentType } from "../protocol/codes.ts";
import type { Content } from "../protocol/content.ts";
import type { Exchange } from "./exchange.ts";

export interface ItemWriter {
  /** Is this error told by `fail`? Else it is an answer with a status of its own: no more when this one has begun. */
  tells(error: ServiceError): boolean;
  /** Begins the answer, if it has not begun. */
  open(): void;
  /** @param place from 1. @param taken called when it has left this process */
  item(place: number, content: Content, taken: () => void): void;
  done(content: Content): void;
  fail(error: ServiceError): void;
  /** Nothing more is written. */
  stop(): void;
}

/** As JSON: a value as it is, bytes in base64, nothing as null. */
function jsonOf({ content, body }: Content): Uint8Array | string {
  if (body === undefined || content === contentType.none) return "null";
  return content === contentType.bytes ? `"${Buffer.from(body).toString("base64")}"` : body;
}

/** Says in its name when the value is bytes. */
const named = (name: string, { content }: Content): string => (content === contentType.bytes ? `${name}-base64` : name);

function joined(before: string, value: Uint8Array | string, after: string): Buffer {
  return Buffer.concat([
    Buffer.from(before),
    typeof value === "string" ? Buffer.from(value) : value,
    Buffer.from(after),
  ]);
}

/** `{"item":…}` a line, then `{"done":…}` or `{"error":…}`. */
export class LineWriter implements ItemWriter {
  #isOpen = false;
  readonly #exchange: Exchange;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  tells(): boolean {
    return this.#isOpen;
  }

  open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#exchange.open(200, { "content-type": "application/x-ndjson", "x-accel-buffering": "no" });
    this.#exchange.flush();
  }

  item(_place: number, content: Content, taken: () => void): void {
    this.open();
    this.#exchange.write(joined(`{"${named("item", content)}":`, jsonOf(content), "}\n"), taken);
  }

  done(content: Content): void {
    this.open();
    this.#exchange.end(joined(`{"${named("done", content)}":`, jsonOf(content), "}\n"));
  }

  fail(error: ServiceError): void {
    this.open();
    this.#exchange.end(`${JSON.stringify({ error: this.#exchange.problem(error) })}\n`);
  }

  stop(): void {
    // Nothing runs.
  }
}

/** The id of the last event: an EventSource comes again with it, and is told to stay away. */
export const lastEventId = "end";

/** Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html): `item`, `done`, `error`. */
export class EventWriter implements ItemWriter {
  #isOpen = false;
  readonly #exchange: Exchange;
  readonly #clock: Clock;
  readonly #after: number;
  #beat: Timer | undefined;

  /** @param after items that the client has got before: places go on from there */
  constructor(exchange: Exchange, clock: Clock, after = 0) {
    this.#after = after;
    this.#exchange = exchange;
    this.#clock = clock;
  }

  /** An EventSource gives up for ever at any status but 200; what may go well elsewhere, or later, it is told in an event, and comes again. */
  tells({ retryable }: ServiceError): boolean {
    return this.#isOpen || retryable;
  }

  open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#exchange.open(200, { "content-type": "text/event-stream", "x-accel-buffering": "no" });
    this.#exchange.write(":\n\n");
    this.#beatLater();
  }

  /** A comment now and then: proxies close what is silent. */
  #beatLater(): void {
    const beat = (): void => {
      if (this.#exchange.waitingBytes === 0) this.#exchange.write(":\n\n");
      this.#beatLater();
    };
    this.#beat = this.#clock.timer(httpBeatMs, beat, { background: true });
  }

  /** @param event undefined: `message`, which needs no listener by name */
  event(event: string | undefined, id: string | undefined, data: Uint8Array | string, taken?: () => void): void {
    this.open();
    const name = event === undefined ? "" : `event: ${event}\n`;
    this.#exchange.write(joined(`${name}${id === undefined ? "" : `id: ${id}\n`}data: `, data, "\n\n"), taken);
  }

  item(place: number, content: Content, taken: () => void): void {
    this.event(named("item", content), String(this.#after + place), jsonOf(content), taken);
  }

  message(id: string, content: Content, taken: () => void): void {
    this.event(content.content === contentType.bytes ? "message-base64" : undefined, id, jsonOf(content), taken);
  }

  done(content: Content): void {
    this.event(named("done", content), lastEventId, jsonOf(content));
    this.#end();
  }

  /** A client that may succeed elsewhere comes again by itself: it keeps its last id. */
  fail(error: ServiceError): void {
    this.event("error", error.retryable ? undefined : lastEventId, JSON.stringify(this.#exchange.problem(error)));
    this.#end();
  }

  #end(): void {
    this.stop();
    this.#exchange.end();
  }

  stop(): void {
    this.#beat?.cancel();
  }
}
