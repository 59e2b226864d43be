// One client's connection: which of its requests are unanswered, and when it may be closed so that none is lost. A client may send
// its next request before it has read the last answer, so a connection ends in one of two ways: with an answer that says
// `Connection: close`, after which nothing that still comes is looked at (RFC 9112, 9.6), or when nothing came for a while.
import type { Socket } from "node:net";
import type { Clock } from "@wherry/core";
import type { Party } from "../server/party.ts";
import { httpPipelineMax, httpQuietMs } from "../limits.ts";

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
  /** Its requests that are not answered: what each does when it never will be. */
  readonly #unanswered = new Set<() => void>();

  constructor(socket: Socket, party: Party, clock: Clock) {
    this.socket = socket;
    this.party = party;
    this.#clock = clock;
    this.#activeMs = clock.monotonic();
    // Node tells only the request whose answer is being written, and not those behind it.
    socket.once("close", () => {
      for (const gone of [...this.#unanswered]) gone();
    });
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

  /** @param gone called when the connection ends before `end`. @returns the request's number, for `isNewest` */
  begin(gone: () => void): number {
    this.#unanswered.add(gone);
    this.#activeMs = this.#clock.monotonic();
    return ++this.newest;
  }

  end(gone: () => void): void {
    this.#unanswered.delete(gone);
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
