// One HTTP request and its one answer: the caller that a server answers. Knows what an answer looks like, and nothing of methods.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock, Timer } from "@wherry/core";
import { ServiceError } from "../errors.ts";
import { httpRequestTimeoutMs } from "../limits.ts";
import { contentType } from "../protocol/codes.ts";
import { bytesOfText, type TextContent } from "../protocol/content.ts";
import type { Caller } from "../server/caller.ts";
import type { Party } from "../server/party.ts";
import { hasBody } from "./body.ts";
import type { Connection, Unanswered } from "./connection.ts";
import { addressOf } from "./places.ts";
import { problemOf, type Problem, retryAfterSeconds } from "./problem.ts";

export interface ExchangeOptions {
  readonly clock: Clock;
  readonly connection: Connection;
  /** Is the service leaving? Its clients are told with their last answers. */
  readonly isLeaving: () => boolean;
  /** Node's titles of statuses. */
  readonly titles: Readonly<Record<string, string | undefined>>;
  /** Told once, with the status; 0 when the client left before. */
  readonly onAnswered: (status: number) => void;
}

type Headers = Readonly<Record<string, string | number>>;

const mediaTypes: Readonly<Record<number, string>> = {
  [contentType.json]: "application/json",
  [contentType.bytes]: "application/octet-stream",
};

export class Exchange implements Caller, Unanswered {
  readonly request: IncomingMessage;
  /** Called once should the client leave before it has its answer. */
  gone: ((reason: ServiceError) => void) | undefined;
  /** Its body is in the budget of the HTTP port until it is answered. */
  readonly holdsBody = true;
  /** Of an answer with a body. */
  okStatus = 200;
  readonly #response: ServerResponse;
  readonly #options: ExchangeOptions;
  readonly #number: number;
  #answered = false;
  #closed = false;
  /** The client asked whether it may send its body (`Expect: 100-continue`), and was not told yet. */
  #asksFirst: boolean;
  /** The body takes too long. */
  #late = false;
  #bodyTimer: Timer | undefined;

  constructor(request: IncomingMessage, response: ServerResponse, options: ExchangeOptions) {
    this.request = request;
    this.#response = response;
    this.#options = options;
    this.#number = options.connection.begin(this);
    this.#asksFirst = request.headers.expect !== undefined;
    response.once("close", () => this.leave());
    if (hasBody(request)) this.#limitBody();
  }

  /** See `Unanswered`; after the answer, too. */
  leave(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { connection, onAnswered } = this.#options;
    connection.end(this);
    const answered = this.#answered && this.#response.writableFinished;
    // What is left of a body is thrown away, but not for ever.
    if (this.request.complete || !answered) this.#bodyTimer?.cancel();
    onAnswered(answered ? this.#response.statusCode : 0);
    if (!answered)
      this.gone?.(new ServiceError("CANCELLED", "the caller's connection closed", { fate: "not-started" }));
  }

  get isAnswered(): boolean {
    return this.#answered;
  }

  get isStreaming(): boolean {
    return this.#response.headersSent && !this.#answered;
  }

  #limitBody(): void {
    this.#bodyTimer?.cancel();
    const { clock } = this.#options;
    this.#bodyTimer = clock.timer(httpRequestTimeoutMs, () => this.#bodyIsLate(), { background: true });
  }

  #bodyIsLate(): void {
    if (this.request.complete) return;
    if (this.isOver) {
      this.request.socket.destroy();
      return;
    }
    this.#late = true;
    const message = `body: expected all of it within ${httpRequestTimeoutMs} ms`;
    this.fail(0, new ServiceError("INVALID", message, { status: 408, fate: "not-started" }));
  }

  /** The body is a stream: it takes as long as it takes, until the answer is out. */
  takeTime(): void {
    this.#bodyTimer?.cancel();
  }

  get address(): string {
    return addressOf(this.request.socket);
  }

  get party(): Party {
    return this.#options.connection.party;
  }

  /** The client left, or was answered: there is nobody to do more for. */
  get isOver(): boolean {
    return this.#answered || this.#closed;
  }

  /** Bytes of the answer that the client has not taken. */
  get waitingBytes(): number {
    return this.#response.writableLength;
  }

  /** The body may come. */
  proceed(): void {
    if (this.#asksFirst) this.#response.writeContinue();
    this.#asksFirst = false;
  }

  /** To be in the answer, whatever it is. */
  setHeaders(headers: Headers): void {
    for (const [name, value] of Object.entries(headers)) this.#response.setHeader(name, value);
  }

  reply(_id: number, text: TextContent): void {
    const { content, body } = bytesOfText(text);
    if (body === undefined) this.answer(204, {});
    else this.answer(this.okStatus, { "content-type": mediaTypes[content] ?? "application/octet-stream" }, body);
  }

  fail(_id: number, error: ServiceError): void {
    const problem = this.problem(error);
    const seconds = retryAfterSeconds(error);
    const headers = {
      "content-type": "application/problem+json",
      ...(seconds === undefined ? {} : { "retry-after": seconds }),
    };
    this.answer(problem.status, headers, Buffer.from(JSON.stringify(problem)));
  }

  problem(error: ServiceError): Problem {
    return problemOf(error, this.#options.titles);
  }

  answer(status: number, headers: Headers, body?: Uint8Array): void {
    if (this.isOver) return;
    if (body !== undefined) this.#response.setHeader("content-length", body.length);
    this.open(status, headers);
    this.end(body);
  }

  /** Begins an answer that comes in pieces, as `write` and `end` send them. */
  open(status: number, headers: Headers): void {
    if (this.isOver) return;
    const { connection, isLeaving } = this.#options;
    const response = this.#response;
    // Answers may depend on the moment, and are for nobody else.
    if (!response.hasHeader("cache-control")) response.setHeader("cache-control", "no-store");
    response.setHeader("x-content-type-options", "nosniff");
    // A client that was not told to send its body may do so or not: what comes next can't be told apart from it.
    if ((isLeaving() && connection.isNewest(this.#number)) || this.#asksFirst || this.#late) {
      connection.closing = true;
      response.setHeader("connection", "close");
    }
    response.writeHead(status, headers);
  }

  /** What was opened is said now, though nothing follows yet. */
  flush(): void {
    if (!this.isOver) this.#response.flushHeaders();
  }

  /** @param taken called when it has left this process */
  write(piece: Uint8Array | string, taken?: () => void): void {
    if (this.isOver) return;
    this.#response.write(piece, (error) => {
      if (error === null || error === undefined) taken?.();
    });
  }

  end(piece?: Uint8Array | string): void {
    if (this.isOver) return;
    this.#answered = true;
    if (!this.request.complete && !this.#late) this.#limitBody();
    this.#response.end(piece);
  }
}
