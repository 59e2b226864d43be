// All streams of a server: which are taken, which refused, and what becomes of them when their client or the service goes. Loaded
// only by services that have streams.
import { ServiceError } from "../errors.ts";
import { messageType } from "../protocol/codes.ts";
import type { StreamMetrics } from "../metrics/request-metrics.ts";
import type { Decoded, Header } from "../protocol/frames.ts";
import type { Method } from "../service.ts";
import { type Culprit, itsOwnFault, refusal } from "./hand-back.ts";
import type { Server } from "./server.ts";
import type { Session } from "./session.ts";
import { ServerStream } from "./stream.ts";

export class Streams {
  readonly running: Set<ServerStream> = new Set();
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
  }

  /** A message of a stream. @returns false when it breaks the rules. */
  take(session: Session, decoded: Decoded): boolean {
    const { header } = decoded;
    if (header.type === messageType.open) return this.#open(session, header, decoded.body);
    // Of an id that is not open: it and the stream's end crossed.
    return session.streams.get(header.id)?.take(decoded) ?? true;
  }

  #open(session: Session, header: Header, body: Uint8Array | undefined): boolean {
    const { id } = header;
    if (session.has(id)) return false;
    const [name = ""] = header.texts;
    const method = this.#server.service.methods.get(name);
    if (method?.stream === undefined) {
      session.fail(id, this.#server.requests.notStreaming(name, method));
      return true;
    }
    const refused = this.#refused();
    if (refused !== undefined) {
      this.#count(method, refused.code);
      session.fail(id, refused);
      return true;
    }
    const stream = new ServerStream(this.#server, session, method, header, {
      over: (ended, code) => this.#over(ended, code),
      crashed: (culprit, thrown) => this.#server.crashInStream(culprit, thrown),
    });
    session.streams.set(id, stream);
    this.running.add(stream);
    stream.start(header, body);
    if (this.#server.state === "draining") stream.leave();
    return true;
  }

  #refused(): ServiceError | undefined {
    const { state, service } = this.#server;
    if (state === "ended") return refusal();
    if (this.running.size < service.streamsMax) return undefined;
    const message = `${this.running.size} streams run, of at most ${service.streamsMax}; try again later or elsewhere`;
    return new ServiceError("BUSY", message, { retryable: true, fate: "not-started", retryAfterMs: 100 });
  }

  #over(stream: ServerStream, code: string): void {
    const { session, id, method, itemsIn, itemsOut } = stream;
    session.streams.delete(id);
    this.running.delete(stream);
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
