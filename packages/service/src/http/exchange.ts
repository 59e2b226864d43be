// One HTTP request and its one answer: the caller that a server answers. Knows what an answer looks like, and nothing of methods.
import { ServiceError } from "../errors.ts";
import { contentType } from "../protocol/codes.ts";
import type { Content } from "../protocol/content.ts";
import type { Caller } from "../server/caller.ts";
import type { RequestJob } from "../server/job.ts";
import type { Connection } from "./connection.ts";
import type { IncomingMessage, ServerResponse } from "node:http";
import { problemOf, retryAfterSeconds } from "./problem.ts";

export interface ExchangeOptions {
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

export class Exchange implements Caller {
  readonly request: IncomingMessage;
  /** The job that runs for it, to be cancelled should the client leave. */
  job: RequestJob | undefined;
  /** Of an answer with a body. */
  okStatus = 200;
  readonly #response: ServerResponse;
  readonly #options: ExchangeOptions;
  readonly #number: number;
  #answered = false;
  /** The client asked whether it may send its body (`Expect: 100-continue`), and was not told yet. */
  #asksFirst: boolean;

  constructor(request: IncomingMessage, response: ServerResponse, options: ExchangeOptions) {
    this.request = request;
    this.#response = response;
    this.#options = options;
    this.#number = options.connection.begin();
    this.#asksFirst = request.headers.expect !== undefined;
    response.once("close", () => {
      options.connection.end();
      options.onAnswered(this.#answered && response.writableFinished ? response.statusCode : 0);
    });
  }

  get address(): string {
    const { remoteAddress = "", remotePort = 0 } = this.request.socket;
    return `http://${remoteAddress.includes(":") ? `[${remoteAddress}]` : remoteAddress}:${remotePort}`;
  }

  /** The client left, or was answered: there is nobody to do more for. */
  get isOver(): boolean {
    return this.#answered || this.#response.closed;
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

  reply(_id: number, { content, body }: Content): void {
    if (body === undefined) this.answer(204, {});
    else this.answer(this.okStatus, { "content-type": mediaTypes[content] ?? "application/octet-stream" }, body);
  }

  fail(_id: number, error: ServiceError): void {
    const problem = problemOf(error, this.#options.titles);
    const seconds = retryAfterSeconds(error);
    const headers = {
      "content-type": "application/problem+json",
      ...(seconds === undefined ? {} : { "retry-after": seconds }),
    };
    this.answer(problem.status, headers, Buffer.from(JSON.stringify(problem)));
  }

  answer(status: number, headers: Headers, body?: Uint8Array): void {
    if (this.isOver) return;
    this.#answered = true;
    const { connection, isLeaving } = this.#options;
    const response = this.#response;
    // Answers may depend on the moment, and are for nobody else.
    if (!response.hasHeader("cache-control")) response.setHeader("cache-control", "no-store");
    response.setHeader("x-content-type-options", "nosniff");
    // A client that was not told to send its body may do so or not: what comes next can't be told apart from it.
    if ((isLeaving() && connection.isNewest(this.#number)) || this.#asksFirst) {
      connection.closing = true;
      response.setHeader("connection", "close");
    }
    if (body !== undefined) response.setHeader("content-length", body.length);
    response.writeHead(status, headers);
    response.end(body);
  }
}
