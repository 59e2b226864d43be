// One pod as a client sees it: one DEALER connection with its handshake, credit and outstanding calls. It follows the state
// machine of docs/reference/protocol.md; which endpoint gets which call is decided in balancer.ts and core.ts.
import { type Clock, IdTable, type Logger } from "@wherry/core";
import type { Message, Socket } from "@wherry/zmtp";
import { ServiceError } from "../errors.ts";
import { connectPatienceMs, pingSuspectMs, streamSilenceMs } from "../limits.ts";
import type { Codec } from "../protocol/content.ts";
import { messageType, serverState } from "../protocol/codes.ts";
import { type Decoded, decode, encode, passingHeader, uint32Of } from "../protocol/frames.ts";
import { errorOf, factsOf, valueOf } from "./answers.ts";
import type { Attempt, Call } from "./call.ts";
import { Channels } from "./channels.ts";
import type { Target } from "./discovery.ts";
import type { PeakEwma } from "./latency.ts";
import { type Failure, Health } from "./outliers.ts";
import { hashOf } from "./rendezvous.ts";

/** What a client needs of a DEALER socket. */
export type ClientSocket = Pick<Socket, "send" | "onMessages" | "on" | "connect" | "disconnect" | "close">;

export interface EndpointEvents {
  /** An attempt ended here, well or not. */
  readonly answered: (attempt: Attempt, result: { readonly value: unknown } | ServiceError) => void;
  /** Room, readiness or credit changed. */
  readonly changed: () => void;
  /** The pod or the way to it failed. */
  readonly failed: (endpoint: Endpoint, failure: Failure) => void;
  /** The connection broke. */
  readonly lost: () => void;
}

export interface EndpointOptions {
  /** What this client calls itself. */
  readonly name: string;
  /** What the service must call itself. */
  readonly service: string;
  /** In place of JSON. */
  readonly codec: Codec | undefined;
  /** Its answers are timed, for a balancer that compares them. */
  readonly latency: PeakEwma | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Endpoint {
  /** As discovery last saw it. */
  target: Target;
  /** Of what it is, for rendezvous hashing: the pod, else the address. */
  readonly hash: number;
  /** `connecting`: no WELCOME yet. `open`: takes calls. `leaving`: said GOAWAY. `foreign`: someone else has its address. */
  state: "connecting" | "open" | "leaving" | "foreign" | "closed" = "connecting";
  /** No longer listed: closes when the last reply is in. */
  retired = false;
  /** Connected only for calls that name it. */
  extra = false;
  /** After BUSY: not before this time. */
  notBeforeMs = 0;
  /** Until then it may well be about to open: calls rather wait for it than go to a pod that leaves. */
  freshUntilMs: number;
  /** Who answers there instead. */
  foreigner: string | undefined;
  /** Why the last try to connect failed; undefined while connected, or before the first try is over. */
  trouble: string | undefined;
  readonly open: IdTable<Attempt> = new IdTable();
  readonly health: Health = new Health();
  readonly latency: PeakEwma | undefined;
  /** Its streams and subscriptions. */
  readonly channels: Channels;
  /** A connection stands, whatever the other end has said. */
  #linked = false;
  #credit = 0;
  #pingMs: number | undefined;
  #idempotent = new Set<string>();
  #keyed = new Set<string>();
  readonly #socket: ClientSocket;
  readonly #events: EndpointEvents;
  readonly #service: string;
  readonly #clock: Clock;
  readonly #codec: Codec | undefined;
  readonly #log: Logger;

  constructor(target: Target, socket: ClientSocket, options: EndpointOptions, events: EndpointEvents) {
    this.target = target;
    this.hash = hashOf(target.pod ?? target.address);
    this.latency = options.latency;
    this.#socket = socket;
    this.#events = events;
    this.#service = options.service;
    this.#clock = options.clock;
    this.#log = options.log;
    this.freshUntilMs = this.#clock.monotonic() + connectPatienceMs;
    this.channels = new Channels(
      (frames) => socket.send(frames) === "sent",
      () => this.#leaveWhenIdle(),
      options.codec,
    );
    const { codec } = options;
    this.#codec = codec;
    socket.onMessages((messages) => this.#take(messages));
    socket.on("connect", () => {
      this.#linked = true;
      this.trouble = undefined;
      this.#socket.send(
        encode(messageType.hello, { texts: codec === undefined ? [options.name] : [options.name, codec.name] }),
      );
    });
    socket.on("disconnect", () => {
      this.#linked = false;
      this.#lost();
    });
    socket.on("retry", (_endpoint, _retryInMs, detail) => (this.trouble = detail));
    socket.connect(target.address);
  }

  /** What is newly said of it. A pod that becomes ready listens: whoever found it closed before need not wait for the back-off. */
  update(target: Target): void {
    const becameReady = target.ready && !this.target.ready;
    this.target = target;
    if (!becameReady || this.#linked || this.state !== "connecting") return;
    this.freshUntilMs = this.#clock.monotonic() + connectPatienceMs;
    this.#socket.disconnect(target.address);
    this.#socket.connect(target.address);
  }

  /** Outstanding calls, as the balancer compares them. */
  get load(): number {
    return this.open.size;
  }

  hasRoom(nowMs: number): boolean {
    const most = this.health.onTrial ? 1 : this.#credit;
    return this.state === "open" && !this.retired && this.open.size < most && nowMs >= this.notBeforeMs;
  }

  /** Its event loop has not answered for a while: others are preferred. */
  isSuspect(nowMs: number): boolean {
    return this.#pingMs !== undefined && nowMs - this.#pingMs > pingSuspectMs;
  }

  /** May this call be sent again although its fate is unknown? */
  isRepeatable({ method, key, policy }: Call): boolean {
    return (policy.idempotent ?? this.#idempotent.has(method)) || (key !== "" && this.#keyed.has(method));
  }

  /** @returns false when it was not sent, and is certain not to have been. */
  send(attempt: Attempt): boolean {
    const { id, number: mark, call, sentMs } = attempt;
    const { content, body } = call;
    const withinMs = Math.max(1, uint32Of(call.deadlineMs - sentMs));
    const { method, key, trace, traceState } = call;
    const texts = traceState === "" ? [method, key, trace] : [method, key, trace, traceState];
    const header = passingHeader(messageType.request, mark, id, withinMs, texts, content);
    if (this.#socket.send(body === undefined ? [header] : [header, body]) !== "sent") return false;
    this.open.set(id, attempt);
    return true;
  }

  /** Tells the service that nobody waits any more. Its answer still comes and frees the credit. */
  cancel(attempt: Attempt): void {
    attempt.abandoned = true;
    if (this.open.has(attempt.id)) this.#socket.send(encode(messageType.cancel, { id: attempt.id }));
  }

  ping(): void {
    if (this.state !== "open" && this.state !== "leaving") return;
    if (this.#pingMs !== undefined) {
      if (this.#clock.monotonic() - this.#pingMs > streamSilenceMs)
        this.channels.lost(`${this.target.address} has not answered for ${streamSilenceMs / 1000} s`);
      return;
    }
    if (this.#socket.send(encode(messageType.ping, {})) === "sent") this.#pingMs = this.#clock.monotonic();
  }

  /** It is no longer listed: no new calls; the connection stays until the last reply is in. */
  retire(): void {
    this.retired = true;
    this.#leaveWhenIdle();
  }

  /** Says BYE, flushes and closes. */
  async close(): Promise<void> {
    if (this.state === "closed") return;
    this.#socket.send(encode(messageType.bye, {}));
    this.state = "closed";
    await this.#socket.close();
  }

  #take(messages: readonly Message[]): undefined {
    this.#pingMs = undefined;
    for (const message of messages) {
      const decoded = decode(message);
      if (typeof decoded === "string") this.#log.warn({ address: this.target.address }, `got a ${decoded} message`);
      else this.#takeOne(decoded);
    }
  }

  #takeOne(message: Decoded): void {
    if (this.channels.take(message)) return;
    const { header } = message;
    switch (header.type) {
      case messageType.reply:
        this.#answer(message, false);
        break;
      case messageType.error:
        if (header.id !== 0) this.#answer(message, true);
        else this.#refused(errorOf(header, message.body));
        break;
      case messageType.welcome:
        this.channels.welcome(message);
        this.#welcome(message);
        break;
      case messageType.credit:
        this.#credit = header.number;
        this.#events.changed();
        break;
      case messageType.goaway:
        if (this.state === "open") this.state = "leaving";
        this.#leaveWhenIdle();
        this.#events.changed();
        break;
      case messageType.ping:
        this.#socket.send(encode(messageType.pong, { id: header.id, mark: serverState.ready, texts: ["", ""] }));
        break;
      default:
      // A PONG has done its work by coming; a client's message from a service means nothing.
    }
  }

  /** The connection as a whole: it ends now. */
  #refused({ code, message }: ServiceError): void {
    this.trouble = `${code}: ${message}`;
    this.#log.warn({ address: this.target.address, code }, `refused by the service: ${message}`);
  }

  #welcome({ header, body }: Decoded): void {
    if (this.state === "closed") return;
    const facts = factsOf(header.content, body);
    this.foreigner = this.#foreigner(header.texts[0] ?? "", facts.pod);
    if (this.foreigner === undefined) {
      this.state = "open";
      this.#credit = header.number;
      this.#idempotent = new Set(facts.idempotent);
      this.#keyed = new Set(facts.keyed);
    } else {
      this.state = "foreign";
      this.#log.warn({ address: this.target.address }, `not used: ${this.foreigner}`);
      // It shall not wait for us when it drains.
      this.#socket.send(encode(messageType.bye, {}));
    }
    this.#events.changed();
  }

  /** An address is reused by other pods, also of other services. Who doesn't say who he is, is believed. */
  #foreigner(service: string, pod: string | undefined): string | undefined {
    const { target } = this;
    if (service !== "" && service !== this.#service)
      return `expected service ${this.#service}, ${target.address} answers as ${service}`;
    if (target.pod === undefined || pod === undefined || pod === target.pod) return undefined;
    return `expected pod ${target.pod}, ${target.address} answers as ${pod}`;
  }

  #answer({ header, body }: Decoded, failed: boolean): void {
    const attempt = this.open.take(header.id);
    if (attempt === undefined) return;
    const result = failed ? errorOf(header, body) : valueOf(header, body, this.#codec);
    if (result instanceof ServiceError && result.fate !== "answered") this.#noteFailure(result);
    else this.health.noteAnswer();
    if (this.latency !== undefined && !attempt.abandoned) {
      const nowMs = this.#clock.monotonic();
      this.latency.observe(nowMs - attempt.sentMs, nowMs);
    }
    if (this.open.size === 0) this.#leaveWhenIdle();
    this.#events.answered(attempt, result);
  }

  #noteFailure({ code, retryAfterMs }: ServiceError): void {
    if (code === "BUSY") this.notBeforeMs = this.#clock.monotonic() + (retryAfterMs ?? 0);
    else if (code === "ABORTED") this.#events.failed(this, "broken");
    else if (code === "DEADLINE_EXCEEDED") this.#events.failed(this, "slow");
  }

  /** The connection broke: what was outstanding may have been executed. It reconnects by itself. */
  #lost(): void {
    this.#pingMs = undefined;
    if (this.state === "closed") return;
    // A pod that said it leaves, or someone else, may go.
    if (this.state === "open") this.#events.failed(this, "broken");
    this.state = "connecting";
    const attempts = this.open.all();
    this.open.clear();
    const broke = `the connection to ${this.target.address} broke${this.trouble === undefined ? "" : ` (${this.trouble})`}`;
    const message = `${broke} while the request was outstanding; it may have had its effect`;
    for (const attempt of attempts)
      this.#events.answered(attempt, new ServiceError("ABORTED", message, { fate: "maybe-executed" }));
    this.channels.lost(broke);
    this.#leaveWhenIdle();
    this.#events.lost();
    this.#events.changed();
  }

  #leaveWhenIdle(): void {
    if (this.open.size > 0 || this.channels.size > 0) return;
    if (this.retired) void this.close();
    else if (this.state === "leaving") this.#socket.send(encode(messageType.bye, {}));
  }
}
