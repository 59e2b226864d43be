// One pod as a client sees it: one DEALER connection with its handshake, credit and outstanding calls. It follows the state
// machine of docs/reference/protocol.md; which endpoint gets which call is decided in balancer.ts and core.ts.
import type { Clock, Logger } from "@wherry/core";
import type { Message, Socket } from "@wherry/zmtp";
import { fateOf, ServiceError } from "../errors.ts";
import { pingSuspectMs } from "../limits.ts";
import { messageType, serverState } from "../protocol/codes.ts";
import { decodeContent } from "../protocol/content.ts";
import { type Decoded, decode, encode } from "../protocol/frames.ts";
import type { Call } from "./call.ts";
import type { Target } from "./discovery.ts";

/** What a client needs of a DEALER socket. */
export type ClientSocket = Pick<Socket, "send" | "onMessages" | "on" | "connect" | "disconnect" | "close">;

export interface EndpointEvents {
  /** A call ended here, well or not. */
  readonly answered: (call: Call, result: { readonly value: unknown } | ServiceError) => void;
  /** Room, readiness or credit changed. */
  readonly changed: () => void;
}

export class Endpoint {
  /** As discovery last saw it. */
  target: Target;
  /** `connecting`: no WELCOME yet. `open`: takes calls. `leaving`: said GOAWAY. `foreign`: another pod has its address. */
  state: "connecting" | "open" | "leaving" | "foreign" | "closed" = "connecting";
  /** No longer listed: closes when the last reply is in. */
  retired = false;
  /** After BUSY: not before this time. */
  notBeforeMs = 0;
  readonly open: Map<number, Call> = new Map();
  /** A connection stands, whatever the other end has said. */
  #linked = false;
  #credit = 0;
  #pingMs: number | undefined;
  #idempotent = new Set<string>();
  #keyed = new Set<string>();
  readonly #socket: ClientSocket;
  readonly #events: EndpointEvents;
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor(target: Target, socket: ClientSocket, name: string, clock: Clock, log: Logger, events: EndpointEvents) {
    this.target = target;
    this.#socket = socket;
    this.#events = events;
    this.#clock = clock;
    this.#log = log;
    socket.onMessages((messages) => this.#take(messages));
    socket.on("connect", () => {
      this.#linked = true;
      this.#socket.send(encode(messageType.hello, { texts: [name] }));
    });
    socket.on("disconnect", () => {
      this.#linked = false;
      this.#lost();
    });
    socket.connect(target.address);
  }

  /** What is newly said of it. A pod that becomes ready listens: whoever found it closed before need not wait for the back-off. */
  update(target: Target): void {
    const becameReady = target.ready && !this.target.ready;
    this.target = target;
    if (!becameReady || this.#linked || this.state !== "connecting") return;
    this.#socket.disconnect(target.address);
    this.#socket.connect(target.address);
  }

  /** Outstanding calls, as the balancer compares them. */
  get load(): number {
    return this.open.size;
  }

  hasRoom(nowMs: number): boolean {
    return this.state === "open" && !this.retired && this.open.size < this.#credit && nowMs >= this.notBeforeMs;
  }

  /** Its event loop has not answered for a while: others are preferred. */
  isSuspect(nowMs: number): boolean {
    return this.#pingMs !== undefined && nowMs - this.#pingMs > pingSuspectMs;
  }

  /** May this call be sent again although its fate is unknown? */
  isRepeatable(call: Call): boolean {
    return (call.idempotent ?? this.#idempotent.has(call.method)) || (call.key !== "" && this.#keyed.has(call.method));
  }

  /** @returns false when it was not sent, and is certain not to have been. */
  send(call: Call, nowMs: number): boolean {
    const number = Math.min(0xffffffff, Math.max(1, Math.ceil(call.deadlineMs - nowMs)));
    const { id, attempt: mark, content } = call;
    const texts = [call.method, call.key, call.trace];
    if (this.#socket.send(encode(messageType.request, { id, mark, number, texts, content }, call.body)) !== "sent")
      return false;
    this.open.set(id, call);
    return true;
  }

  /** Tells the service that nobody waits any more. Its answer still comes and frees the credit. */
  cancel(call: Call): void {
    if (this.open.has(call.id)) this.#socket.send(encode(messageType.cancel, { id: call.id }));
  }

  ping(): void {
    if (this.state !== "open" && this.state !== "leaving") return;
    if (this.#pingMs !== undefined) return;
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
    const { header, body } = message;
    switch (header.type) {
      case messageType.reply:
        this.#answer(header.id, message, false);
        break;
      case messageType.error:
        if (header.id !== 0) this.#answer(header.id, message, true);
        else this.#log.warn({ address: this.target.address, code: header.texts[0] }, "refused by the service");
        break;
      case messageType.welcome:
        this.#welcome(header.number, body, header.content);
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

  #welcome(credit: number, body: Uint8Array | undefined, content: Decoded["header"]["content"]): void {
    const facts = factsOf(content, body);
    if (this.target.pod !== undefined && facts.pod !== undefined && facts.pod !== this.target.pod) {
      this.state = "foreign";
      this.#log.warn(
        { address: this.target.address, expected: this.target.pod, got: facts.pod },
        "another pod answers",
      );
    } else if (this.state !== "closed") {
      this.state = "open";
      this.#credit = credit;
      this.#idempotent = new Set(facts.idempotent);
      this.#keyed = new Set(facts.keyed);
    }
    this.#events.changed();
  }

  #answer(id: number, { header, body }: Decoded, failed: boolean): void {
    const call = this.open.get(id);
    if (call === undefined) return;
    this.open.delete(id);
    const result = failed ? errorOf(header, body) : valueOf(header, body);
    if (result instanceof ServiceError && result.code === "BUSY")
      this.notBeforeMs = this.#clock.monotonic() + (result.retryAfterMs ?? 0);
    if (this.open.size === 0) this.#leaveWhenIdle();
    this.#events.answered(call, result);
  }

  /** The connection broke: what was outstanding may have been executed. It reconnects by itself. */
  #lost(): void {
    this.#pingMs = undefined;
    if (this.state === "closed") return;
    this.state = "connecting";
    const calls = [...this.open.values()];
    this.open.clear();
    const message = `the connection to ${this.target.address} broke while the request was outstanding; it may have had its effect`;
    for (const call of calls)
      this.#events.answered(call, new ServiceError("ABORTED", message, { fate: "maybe-executed" }));
    this.#leaveWhenIdle();
    this.#events.changed();
  }

  #leaveWhenIdle(): void {
    if (this.open.size > 0) return;
    if (this.retired) void this.close();
    else if (this.state === "leaving") this.#socket.send(encode(messageType.bye, {}));
  }
}

interface Facts {
  readonly pod: string | undefined;
  readonly idempotent: readonly string[];
  readonly keyed: readonly string[];
}

/** What the WELCOME's body says; a body that says nothing promises nothing. */
function factsOf(content: Decoded["header"]["content"], body: Uint8Array | undefined): Facts {
  const names = (value: unknown): string[] =>
    Array.isArray(value) ? value.filter((name): name is string => typeof name === "string") : [];
  const value = parsed(content, body);
  return {
    pod: typeof value["pod"] === "string" ? value["pod"] : undefined,
    idempotent: names(value["idempotent"]),
    keyed: names(value["keyed"]),
  };
}

function parsed(
  content: Decoded["header"]["content"],
  body: Uint8Array | undefined,
): Readonly<Record<string, unknown>> {
  try {
    const value = decodeContent(content, body);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function valueOf(header: Decoded["header"], body: Uint8Array | undefined): { readonly value: unknown } | ServiceError {
  try {
    return { value: decodeContent(header.content, body) };
  } catch (cause) {
    return new ServiceError("INVALID", "the service's reply cannot be read", { cause });
  }
}

function errorOf(header: Decoded["header"], body: Uint8Array | undefined): ServiceError {
  const { message, retryable, details } = parsed(header.content, body);
  const [code = "INVALID"] = header.texts;
  const options = {
    fate: fateOf(header.mark),
    retryable: retryable === true,
    ...(header.number === 0 ? {} : { retryAfterMs: header.number }),
    ...(typeof details === "object" && details !== null ? { details: details as Record<string, unknown> } : {}),
  };
  const text = typeof message === "string" ? message : "the service gave no message";
  return /^[A-Z][A-Z0-9_]{0,63}$/.test(code)
    ? new ServiceError(code, text, options)
    : new ServiceError("INVALID", text, options);
}
