// One stream as its caller holds it: reads its items, sends his, and ends once. Which endpoint it goes to is decided in streams.ts.
// Its state machine is in docs/reference/protocol.md.
import { ServiceError } from "../errors.ts";
import { messageType } from "../protocol/codes.ts";
import { type Codec, decodeContent, encodeContent } from "../protocol/content.ts";
import { type Decoded, wirePlace, uint32Of } from "../protocol/frames.ts";
import { Inbox } from "../stream/inbox.ts";
import type { ItemStream } from "../stream/types.ts";
import { SendWindow } from "../stream/window.ts";
import type { CallSpan } from "../tracing/open-telemetry.ts";
import { errorOf, valueOf } from "./answers.ts";
import type { Channel } from "./channels.ts";
import type { Endpoint } from "./endpoint.ts";

/** What a stream is to be. */
export interface StreamRequest {
  readonly method: string;
  /** The argument, or the items. */
  readonly given: unknown;
  readonly key: string;
  readonly trace: string;
  readonly traceState: string;
  /** Records it, where somebody wants that. */
  readonly span: CallSpan | undefined;
}

export interface StreamHost {
  /** Refused before it started: it may go elsewhere. */
  readonly refused: (stream: ClientStream, error: ServiceError) => void;
  /** A pod has taken it. */
  readonly taken: (stream: ClientStream) => void;
  readonly over: (stream: ClientStream) => void;
}

type Iteration = Iterator<unknown> | AsyncIterator<unknown>;
type Result = IteratorResult<unknown, undefined>;

export class ClientStream implements Channel, ItemStream {
  readonly result: Promise<unknown>;
  readonly request: StreamRequest;
  /** Attempts made. */
  attempt = 0;
  /** Where it is, or was last. */
  at: Endpoint | undefined;
  lastError: ServiceError | undefined;
  state: "waiting" | "opening" | "taken" | "over" = "waiting";
  readonly #host: StreamHost;
  readonly #inbox: Inbox;
  #id = 0;
  #window: SendWindow | undefined;
  /** The caller's items, being read. */
  #source: Iteration | undefined;
  #settle: { readonly resolve: (value: unknown) => void; readonly reject: (error: unknown) => void };

  constructor(request: StreamRequest, host: StreamHost) {
    this.request = request;
    this.#host = host;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.result = promise;
    // Who reads the items learns of the end there: that nobody looks at `result` then is no mistake.
    promise.catch(() => undefined);
    this.#settle = { resolve, reject };
    this.#inbox = new Inbox({
      grant: (items, bytes) => this.at?.channels.send(messageType.grant, { id: this.#id, mark: items, number: bytes }),
      left: () => this.cancel("the caller left its loop"),
    });
  }

  /**
   * Sends OPEN. @param leftMs milliseconds until its deadline, 0 for none.
   * @returns false when it was not sent, and is certain not to have been.
   */
  open(endpoint: Endpoint, leftMs: number): boolean {
    const { channels } = endpoint;
    const { method, given, key, trace, traceState, span } = this.request;
    const kind = channels.streams.get(method);
    if (kind === undefined) {
      this.fail(noStream(method, [...channels.streams.keys()]));
      return true;
    }
    const { content, body } = kind === "out" ? encodeContent(given, channels.codec) : encodeContent(undefined);
    if (kind !== "out") this.#source ??= iterationOf(method, given);
    this.#id = channels.add(this);
    const texts = traceState === "" ? [method, key, trace] : [method, key, trace, traceState];
    const fields = { id: this.#id, mark: Math.min(255, this.attempt + 1), number: leftMs, texts };
    if (!channels.send(messageType.open, { ...fields, content }, body)) {
      channels.delete(this.#id);
      return false;
    }
    this.attempt++;
    span?.attempt(this.attempt, endpoint.target.address);
    this.at = endpoint;
    this.state = "opening";
    this.#window = new SendWindow(channels.outflow);
    if (kind !== "in") this.#inbox.open();
    return true;
  }

  get #codec(): Codec | undefined {
    return this.at?.channels.codec;
  }

  take(message: Decoded): void {
    const { header, body } = message;
    switch (header.type) {
      case messageType.grant:
        this.#granted(header.mark, header.number);
        break;
      case messageType.item:
        this.#item(message);
        break;
      case messageType.stop:
        this.#stopSending();
        break;
      case messageType.reply: {
        const result = valueOf(header, body, this.#codec);
        if (result instanceof ServiceError) this.fail(result);
        else this.#succeed(result.value);
        break;
      }
      case messageType.error:
        this.#failed(errorOf(header, body));
        break;
      default:
      // A service sends nothing else of a stream.
    }
  }

  lost(error: ServiceError): void {
    this.fail(error);
  }

  #granted(items: number, bytes: number): void {
    this.#window?.grant(items, bytes);
    if (this.state !== "opening") return;
    this.state = "taken";
    this.#host.taken(this);
    if (this.#source !== undefined && items > 0) void this.#pour(this.#source);
  }

  #item({ header, body }: Decoded): void {
    try {
      const value = decodeContent(header.content, body, this.#codec);
      if (this.#inbox.push(header.number, value, body?.length ?? 0)) return;
      this.abandon(new ServiceError("INVALID", "the service sent an item out of place, or more than was granted"));
    } catch (error) {
      this.abandon(error);
    }
  }

  #failed(error: ServiceError): void {
    if (this.state === "opening" && error.fate === "not-started") {
      this.at?.channels.delete(this.#id);
      this.#window?.close();
      this.state = "waiting";
      this.lastError = error;
      this.request.span?.attemptFailed(error);
      this.#host.refused(this, error);
    } else this.fail(error);
  }

  /** Sends the caller's items as they are granted; it asks for the next only when that may go. */
  async #pour(source: Iteration): Promise<void> {
    const window = this.#window as SendWindow;
    try {
      for (;;) {
        if (!window.isOpen) await window.opens();
        if (this.#source === undefined) return;
        const next = source.next();
        const step = next instanceof Promise ? await next : next;
        // The stream ended, or the service reads no more.
        if (this.#isSourceLeft()) return;
        if (step.done === true) {
          this.#source = undefined;
          this.#send(messageType.end, { number: uint32Of(window.sent) });
          return;
        }
        const { content, body } = encodeContent(step.value, this.#codec);
        this.#send(messageType.item, { number: wirePlace(window.spend(body?.length ?? 0)), content }, body);
      }
    } catch (error) {
      // The caller's own: it is his to see, and the service's handler must not take what came for all.
      this.abandon(error);
    }
  }

  #isSourceLeft(): boolean {
    return this.#source === undefined;
  }

  #send(
    type: typeof messageType.item | typeof messageType.end | typeof messageType.cancel,
    fields: { number?: number; content?: Decoded["header"]["content"] } = {},
    body?: Uint8Array,
  ): void {
    if (this.at?.channels.send(type, { id: this.#id, ...fields }, body) !== false || type === messageType.cancel)
      return;
    const message = "what is queued to the service has no room for more; the stream may have had its effect";
    this.abandon(new ServiceError("ABORTED", message, { retryable: true, fate: "maybe-executed" }));
  }

  #stopSending(): void {
    this.#window?.close();
    const source = this.#source;
    this.#source = undefined;
    // What its `finally` throws is the caller's own, and no longer the stream's: it is unhandled there.
    void source?.return?.();
  }

  /** Ends it at both sides. What has come is dropped, and its reader told at once. */
  abandon(error: unknown): void {
    if (this.state === "over") return;
    if (this.state !== "waiting") this.#send(messageType.cancel);
    this.#inbox.break(error);
    this.#reject(error);
  }

  /** Ends it here: its reader gets what has come, and then the error. */
  fail(error: unknown): void {
    this.#inbox.end(error);
    this.#reject(error);
  }

  #succeed(value: unknown): void {
    this.#inbox.end();
    if (!this.#finish()) return;
    this.request.span?.end();
    this.#settle.resolve(value);
  }

  #reject(error: unknown): void {
    if (!this.#finish()) return;
    this.request.span?.end(ServiceError.is(error) ? error : { code: "CANCELLED", message: String(error) });
    this.#settle.reject(error);
  }

  #finish(): boolean {
    if (this.state === "over") return false;
    this.state = "over";
    this.#stopSending();
    this.at?.channels.delete(this.#id);
    this.#host.over(this);
    return true;
  }

  cancel(reason?: unknown): void {
    if (this.state === "over") return;
    const fate = this.state === "waiting" ? "not-started" : "maybe-executed";
    this.abandon(new ServiceError("CANCELLED", "the caller cancelled the stream", { fate, cause: reason }));
  }

  next(): Promise<Result> {
    return this.#inbox.next();
  }

  return(): Promise<Result> {
    return this.#inbox.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cancel();
    await this.return();
  }
}

function iterationOf(method: string, given: unknown): Iteration {
  const items = given as Partial<AsyncIterable<unknown> & Iterable<unknown>> | null | undefined;
  const iteration = items?.[Symbol.asyncIterator]?.() ?? items?.[Symbol.iterator]?.();
  if (iteration !== undefined && typeof given !== "string") return iteration;
  throw new TypeError(`stream ${method} takes items: expected an iterable, got ${typeof given}`);
}

function noStream(method: string, known: readonly string[]): ServiceError {
  const has = known.length === 0 ? "none" : known.slice(0, 20).join(", ");
  const message = `the service has no stream ${JSON.stringify(method)}; it has ${has}. A method that answers once is called with client.call`;
  return new ServiceError("NOT_FOUND", message);
}
