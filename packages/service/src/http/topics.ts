// A topic of the service as Server-Sent Events: what this pod publishes, at most once, to whoever reads. What a reader misses is
// counted and told; nothing is kept. Loaded when the first one subscribes.
import { ServiceError } from "../errors.ts";
import { eventQueueBytesMax, eventQueueMessagesMax } from "../limits.ts";
import type { Server } from "../server/server.ts";
import { lastPlace } from "../protocol/codes.ts";
import type { PublishedEvent, Subscriber } from "../server/event.ts";
import type { Content } from "../protocol/content.ts";
import type { Exchange } from "./exchange.ts";
import { EventWriter } from "./writers.ts";

/** The readers of one HTTP port. */
export class TopicReaders {
  readonly #server: Server;
  readonly #readers = new Set<TopicReader>();

  constructor(server: Server) {
    this.#server = server;
  }

  subscribe(exchange: Exchange, name: string): void {
    const topics = this.#server.topics;
    const topic = topics?.all.get(name);
    if (topics === undefined || topic === undefined) return;
    if (exchange.request.method === "HEAD") {
      exchange.answer(200, { "content-type": "text/event-stream" });
      return;
    }
    const reader = new TopicReader(exchange, this.#server);
    exchange.gone = () => this.#forget(reader);
    this.#readers.add(reader);
    topics.subscribe(topic, reader);
  }

  #forget(reader: TopicReader): void {
    this.#server.topics?.forget(reader);
    this.#readers.delete(reader);
    reader.stop();
  }

  /** They go elsewhere: an EventSource does so by itself. */
  leave(): void {
    for (const reader of [...this.#readers]) {
      this.#forget(reader);
      reader.leave();
    }
  }
}

class TopicReader implements Subscriber {
  readonly #exchange: Exchange;
  readonly #writer: EventWriter;
  readonly #instance: string;
  /** Place of the last event that it got, or was told of; undefined before it is subscribed. */
  #last: number | undefined;
  #waiting = 0;

  constructor(exchange: Exchange, { clock, instance }: Pick<Server, "clock" | "instance">) {
    this.#exchange = exchange;
    this.#instance = instance;
    this.#writer = new EventWriter(exchange, clock);
  }

  get isSlow(): boolean {
    return this.#waiting >= eventQueueMessagesMax || this.waitingBytes >= eventQueueBytesMax;
  }

  get waitingBytes(): number {
    return this.#exchange.waitingBytes;
  }

  event({ place }: PublishedEvent, content: Content): void {
    this.#tellMissed(distance(this.#last ?? 0, place) - 1);
    this.#last = place;
    this.#waiting++;
    this.#writer.message(this.#id(place), content, () => this.#waiting--);
  }

  position(_topic: string, last: number): void {
    if (this.#last === undefined) this.#begin(last);
    else this.#tellMissed(distance(this.#last, last));
    this.#last = last;
  }

  /** Who comes again says what it got last: of another pod, nobody knows how much lay in between. */
  #begin(last: number): void {
    this.#writer.open();
    const [instance, place] = splitLast(String(this.#exchange.request.headers["last-event-id"] ?? ""));
    if (instance === this.#instance) this.#tellMissed(distance(place, last));
    else if (instance !== "") this.#tell(null);
  }

  #tellMissed(count: number): void {
    if (count > 0) this.#tell(count);
  }

  #tell(count: number | null): void {
    this.#writer.event("missed", undefined, JSON.stringify({ count }));
  }

  #id(place: number): string {
    return `${this.#instance}:${place}`;
  }

  leave(): void {
    const message = "the service is leaving; subscribe again, at another pod";
    this.#writer.fail(new ServiceError("ABORTED", message, { retryable: true, details: { leaving: true } }));
  }

  stop(): void {
    this.#writer.stop();
  }
}

/** From one place to a later one; after the last place comes 1. */
function distance(from: number, to: number): number {
  return (to - from + lastPlace) % lastPlace;
}

function splitLast(id: string): [instance: string, place: number] {
  const [, instance = "", place = "0"] = /^(.+):(\d{1,10})$/.exec(id) ?? [];
  return [instance, Number(place)];
}
