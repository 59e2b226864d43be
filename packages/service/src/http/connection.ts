// One client's connection: which of its requests are unanswered, and when it may be closed so that none is lost. A client may send
// its next request before it has read the last answer, so a connection ends in one of two ways: with an answer that says
// `Connection: close`, after which nothing that still comes is looked at (RFC 9112, 9.6), or when nothing came for a while.
import type { Socket } from "node:net";
import type { Clock, Timer } from "@wherry/core";
import type { Party } from "../server/party.ts";
import { httpHalfClosedMs, httpPipelineMax, httpQuietMs } from "../limits.ts";

/** A request that has no answer yet, or not all of it. */
export interface Unanswered {
  /** Its answer has begun, and nobody knows when it ends. */
  readonly isStreaming: boolean;
  /** Its answer is whole, and on its way: nothing runs for it any more. */
  readonly isAnswered: boolean;
  /** The connection has ended: nobody gets the answer. */
  leave(): void;
}

export class Connection {
  readonly socket: Socket;
  /** Whose it is, among those who share the service. */
  readonly party: Party;
  /** Counts its requests; the newest one's number. */
  newest = 0;
  /** Its last answer is on its way, or it was ended: requests that still come on it are not looked at. */
  closing = false;
  /** When its last request came or its last answer left, by `Clock.monotonic`. */
  #activeMs: number;
  readonly #clock: Clock;
  /** Its requests that are not answered. */
  readonly #unanswered = new Set<Unanswered>();
  /** Runs since its client has closed its side. */
  #halfClosed: Timer | undefined;

  constructor(socket: Socket, party: Party, clock: Clock) {
    this.socket = socket;
    this.party = party;
    this.#clock = clock;
    this.#activeMs = clock.monotonic();
    // Node tells only the request whose answer is being written, and not those behind it.
    socket.once("close", () => {
      this.#halfClosed?.cancel();
      for (const request of [...this.#unanswered]) request.leave();
    });
    socket.once("end", () => this.#endOfRequests());
  }

  get isBusy(): boolean {
    return this.#unanswered.size > 0;
  }

  /** Has it one request more than it may have unanswered? */
  get isFull(): boolean {
    return this.#unanswered.size > httpPipelineMax;
  }

  /** Will its client hardly send anything more? */
  get isQuiet(): boolean {
    return this.closing || (!this.isBusy && this.#clock.monotonic() - this.#activeMs >= httpQuietMs);
  }

  /** Has everything that its client gets left this process? */
  get isFlushed(): boolean {
    return this.closing && !this.isBusy && this.socket.writableFinished;
  }

  /** The client sends no more: it waits for its answers, or is gone. Of who reads a stream the first would be odd. */
  #endOfRequests(): void {
    if (!this.isBusy) return;
    const requests = [...this.#unanswered];
    // Who is slow to take a whole answer has the time of anybody.
    const cut = (): void => {
      if (requests.some(({ isAnswered }) => !isAnswered)) this.socket.destroy();
    };
    if (requests.some(({ isStreaming }) => isStreaming)) cut();
    else this.#halfClosed = this.#clock.timer(httpHalfClosedMs, cut, { background: true });
  }

  /** @returns the request's number, for `isNewest` */
  begin(request: Unanswered): number {
    this.#unanswered.add(request);
    this.#activeMs = this.#clock.monotonic();
    return ++this.newest;
  }

  end(request: Unanswered): void {
    this.#unanswered.delete(request);
    this.#activeMs = this.#clock.monotonic();
  }

  /** Answers leave in the order of their requests: only the newest one's may be the connection's last. */
  isNewest(number: number): boolean {
    return number === this.newest;
  }

  /** Ends it; what was written still leaves. */
  close(): void {
    if (this.closing) return;
    this.closing = true;
    this.socket.end();
  }
}
