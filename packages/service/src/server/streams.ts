// All streams of a server: which are taken, which refused, and what becomes of them when their client or the service goes. Loaded
// only by services that have streams.
import { ServiceError } from "../errors.ts";
import { messageType } from "../protocol/codes.ts";
import type { StreamMetrics } from "../metrics/request-metrics.ts";
import type { Decoded } from "../protocol/frames.ts";
import type { Method } from "../service.ts";
import type { Incoming, StreamCaller } from "./caller.ts";
import type { Host } from "./host.ts";
import { hasShare } from "./party.ts";
import { type Culprit, itsOwnFault, notStreaming, refusal } from "./refusals.ts";
import type { Session } from "./session.ts";
import { ServerStream } from "./stream.ts";

/** What streams need of the server. */
interface StreamsHost extends Host {
  /** Ends the service for a bug in the handler of a stream. */
  crashInStream(stream: ServerStream, thrown: unknown): void;
}

export class Streams {
  readonly running: Set<ServerStream> = new Set();
  readonly #server: StreamsHost;

  constructor(server: StreamsHost) {
    this.#server = server;
  }

  /** A message of a stream. @returns false when it breaks the rules. */
  take(session: Session, decoded: Decoded): boolean {
    const { header, body } = decoded;
    const { type, id, mark, number, content } = header;
    if (type === messageType.open) return this.#opened(session, decoded);
    const stream = session.streams.get(id);
    // Of an id that is not open: it and the stream's end crossed.
    if (stream === undefined) return true;
    switch (type) {
      case messageType.item:
        return stream.item(number, { content, body });
      case messageType.grant:
        stream.granted(mark, number);
        return true;
      case messageType.end:
        return stream.ended();
      default:
        return false;
    }
  }

  #opened(session: Session, { header, body }: Decoded): boolean {
    const { id, mark: attempt, number, texts, content } = header;
    if (session.has(id)) return false;
    const [method = "", key = "", trace = "", traceState] = texts;
    const withinMs = number === 0 ? Number.POSITIVE_INFINITY : number;
    const opening = { id, method, key, trace, traceState, attempt, withinMs, content, body };
    this.open(opening, session, (stream) => session.streams.set(id, stream));
    return true;
  }

  /**
   * Takes a stream from a caller of any kind, and starts it.
   * @param taken called before anything of it is sent; not for one that is refused, whose caller is told.
   */
  open(opening: Incoming, caller: StreamCaller, taken: (stream: ServerStream) => void): void {
    const { id, method: name } = opening;
    const method = this.#server.service.methods.get(name);
    if (method?.stream === undefined) {
      caller.fail(id, notStreaming(this.#server.service, name));
      return;
    }
    const refused = this.#refused(caller);
    if (refused !== undefined) {
      this.#count(method, refused.code);
      caller.fail(id, refused);
      return;
    }
    const stream = new ServerStream(this.#server, caller, method, opening, {
      over: (ended, code) => this.#over(ended, code),
      crashed: (culprit, thrown) => this.#server.crashInStream(culprit, thrown),
    });
    taken(stream);
    this.running.add(stream);
    if (caller.party !== undefined) caller.party.streams++;
    stream.start(opening);
    if (this.#server.state === "draining") stream.leave();
  }

  #refused({ party }: StreamCaller): ServiceError | undefined {
    const { state, service } = this.#server;
    if (state === "ended") return refusal();
    const { size } = this.running;
    const { streamsMax } = service;
    const mayHaveMore = party === undefined || hasShare(party.streams, size, streamsMax);
    if (size < streamsMax && mayHaveMore) return undefined;
    const own = mayHaveMore ? "" : `, ${party.streams} of them this client's; the rest is for others`;
    const message = `${size} streams run, of at most ${streamsMax}${own}; try again later or elsewhere`;
    return new ServiceError("BUSY", message, { retryable: true, fate: "not-started", retryAfterMs: 100 });
  }

  #over(stream: ServerStream, code: string): void {
    const { method, itemsIn, itemsOut } = stream;
    this.running.delete(stream);
    if (stream.caller.party !== undefined) stream.caller.party.streams--;
    this.#count(method, code, itemsIn, itemsOut);
  }

  #count({ name }: Method, code: string, itemsIn = 0, itemsOut = 0): void {
    this.#server.metrics.observeStream(name, code, itemsIn, itemsOut);
  }

  /** By method, also of those that still run. */
  totals(): Map<string, StreamMetrics> {
    const totals = new Map([...this.#server.metrics.streams].map(([name, metrics]) => [name, { ...metrics }]));
    for (const { method, itemsIn, itemsOut } of this.running) {
      const known = totals.get(method.name) ?? { outcomes: new Map<string, number>(), itemsIn: 0, itemsOut: 0 };
      known.itemsIn += itemsIn;
      known.itemsOut += itemsOut;
      totals.set(method.name, known);
    }
    return totals;
  }

  /** Its client is gone. */
  forget(session: Session): void {
    const message = "the caller's connection closed";
    const gone = new ServiceError("CANCELLED", message, { fate: "maybe-executed" });
    for (const stream of [...session.streams.values()]) stream.stop(gone);
  }

  leave(): void {
    for (const stream of [...this.running]) stream.leave();
  }

  /** The service ends. @returns how many streams were cut off. */
  end(culprit: Culprit | undefined): number {
    const running = [...this.running];
    const message = "the service ended while the stream ran; it may have had its effect";
    const aborted = new ServiceError("ABORTED", message, { retryable: true, fate: "maybe-executed" });
    for (const stream of running) stream.abort(stream === culprit?.job ? itsOwnFault(stream, culprit.thrown) : aborted);
    return running.length;
  }
}
