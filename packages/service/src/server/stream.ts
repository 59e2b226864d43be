// One stream from its OPEN to its one REPLY or ERROR: runs its handler as fast as the client takes items, and no faster. Its state
// machine is in docs/reference/protocol.md. Which streams there may be is decided in streams.ts.
import type { Timer } from "@wherry/core";
import { ambientContext } from "../current-context.ts";
import { ServiceError } from "../errors.ts";
import type { Codec, Content } from "../protocol/content.ts";
import type { Method } from "../service.ts";
import { type CallSpan, openTelemetry } from "../tracing/open-telemetry.ts";
import { Inbox } from "../stream/inbox.ts";
import { SendWindow } from "../stream/window.ts";
import { admit } from "./authorize.ts";
import type { Incoming, StreamCaller } from "./caller.ts";
import { codecFor, decodeFrom } from "./codec.ts";
import { answerOf, blame, encodeResult, isThenable, output, throughMiddleware } from "./invoke.ts";
import { isEchoOf, StreamJobContext } from "./context.ts";
import type { Host } from "./host.ts";
import { argumentOf, checkItem, iteratorOf, named } from "./stream-values.ts";

/** How a stream tells of itself. */
export interface StreamEvents {
  /** Over, and why: `OK` or the error's code. */
  readonly over: (stream: ServerStream, code: string) => void;
  /** A bug in its handler. */
  readonly crashed: (stream: ServerStream, thrown: unknown) => void;
}

export class ServerStream {
  readonly caller: StreamCaller;
  readonly id: number;
  readonly method: Method;
  readonly context: StreamJobContext;
  readonly startedMs: number;
  itemsIn = 0;
  readonly #server: Host;
  readonly #events: StreamEvents;
  readonly #window: SendWindow;
  /** Of `in` and `both`. */
  readonly #inbox: Inbox | undefined;
  #iterator: Iterator<unknown> | AsyncIterator<unknown> | undefined;
  /** Why it has to end, if it has; its answer, when the handler has ended. */
  #stopping: ServiceError | undefined;
  /** What became of returning the generator. */
  #returned: unknown;
  #over = false;
  /** Records it, where somebody wants that. */
  #span: CallSpan | undefined;
  readonly #deadline: Timer | undefined;

  constructor(server: Host, caller: StreamCaller, method: Method, opening: Incoming, events: StreamEvents) {
    const { id, withinMs } = opening;
    this.#server = server;
    this.caller = caller;
    this.id = id;
    this.method = method;
    this.#events = events;
    this.startedMs = server.clock.monotonic();
    this.context = new StreamJobContext(opening, caller, this.startedMs + withinMs, server);
    this.context.after = opening.after ?? 0;
    this.#window = new SendWindow(caller.outflow);
    if (method.stream !== "out") this.#inbox = this.#reader(method);
    if (withinMs !== Number.POSITIVE_INFINITY)
      this.#deadline = server.clock.timer(withinMs, () => this.stop(tooLate()), { background: true });
  }

  get itemsOut(): number {
    return this.#window.sent;
  }

  #reader(method: Method): Inbox {
    const { input } = method;
    let checked = 0;
    return new Inbox({
      grant: (items, bytes) => this.#grant(items, bytes),
      left: () => {
        if (!this.#over) this.caller.stop(this.id);
      },
      check: input === undefined ? undefined : (value) => checkItem(method, value, ++checked),
    });
  }

  /** Starts its handler, and says that it is taken: to a caller who may. */
  start(opening: Content): void {
    if (this.#server.service.authorize === undefined) this.#taken();
    const span = openTelemetry()?.request(this.#server.service.name, this.context);
    this.#span = span;
    if (span !== undefined) this.context.trace = span.traceparent;
    const run = (): Promise<void> => (span === undefined ? this.#run(opening) : span.within(() => this.#run(opening)));
    void (this.#server.service.ambient ? ambientContext.run(this.context, run) : run());
  }

  #taken(): void {
    if (this.#inbox === undefined) this.#grant(0, 0);
    else this.#inbox.open();
  }

  /** The client takes so many more. */
  granted(items: number, bytes: number): void {
    this.#window.grant(items, bytes);
  }

  /** The client sends no more items. @returns false when it had none to send. */
  ended(): boolean {
    this.#inbox?.end();
    return this.#inbox !== undefined;
  }

  /**
   * An item from the client.
   * @param place in the stream, from 1
   * @param what it is called in errors
   * @returns false when it breaks the rules
   */
  item(place: number, { content, body }: Content, what = `item ${place}`): boolean {
    if (this.#inbox?.takes(place) !== true) return false;
    this.itemsIn++;
    let value: unknown;
    try {
      value = decodeFrom(this.caller, { content, body }, this.#server.service.codec);
    } catch (error) {
      // Nothing that can be read: the stream is worth nothing more, but its connection is sound. It is counted, for others follow it.
      if (ServiceError.is(error)) this.stop(named(what, error));
    }
    return this.#inbox.push(place, value, body?.length ?? 0);
  }

  /** Has its handler end; its answer comes then. Only the first reason counts. */
  stop(reason: ServiceError): void {
    if (this.#over || this.#stopping !== undefined) return;
    this.#stopping = reason;
    this.context.abort(reason);
    this.#inbox?.break(reason);
    this.#window.close();
    this.#returned = this.#return();
  }

  /** The service is leaving: an endless one has to end now, another is told. */
  leave(): void {
    this.context.leave();
    if (this.method.endless) this.stop(left());
  }

  /** The service ends now: answers at once, whatever the handler does. */
  abort(reason: ServiceError): void {
    if (this.#over) return;
    this.#fail(reason);
    this.#inbox?.break(reason);
    this.context.abort(reason);
  }

  async #run(opening: Content): Promise<void> {
    try {
      // Middleware stands around a stream as around a call: its `next` resolves to the stream's reply.
      const perform = (_stream: this, given: unknown): Promise<unknown> =>
        this.method.stream === "in" ? this.#gather() : this.#emit(given);
      const { authorize } = this.#server.service;
      if (authorize !== undefined) {
        await admit(authorize, this.context);
        // Cancelled while it was decided: nothing starts.
        if (this.#stopping !== undefined) throw this.#stopping;
        this.#taken();
      }
      const argument = this.method.stream === "out" ? this.#decoded(opening) : undefined;
      const reply = await throughMiddleware<this>(this.#server.service, perform)(this, argument);
      if (this.#stopping === undefined) this.#reply(encodeResult(this.method, reply, this.#codec));
      else this.#fail(this.#stopping);
    } catch (thrown) {
      this.#threw(thrown);
    }
  }

  /** For what goes out. */
  get #codec(): Codec | undefined {
    return codecFor(this.caller, this.#server.service.codec);
  }

  #decoded(content: Content): unknown {
    try {
      return decodeFrom(this.caller, content, this.#server.service.codec);
    } catch (error) {
      return blame(this.method)(error);
    }
  }

  async #gather(): Promise<unknown> {
    return output(this.method, await this.method.handler(this.#inbox, this.context));
  }

  /** Asks the handler for the next item only when it may be sent: nothing piles up here, however slow the client. */
  async #emit(given: unknown): Promise<unknown> {
    const { method } = this;
    const argument = this.#inbox ?? (await argumentOf(method, given));
    const iterator = iteratorOf(method, await method.handler(argument, this.context));
    this.#iterator = iterator;
    const codec = this.#codec;
    for (;;) {
      if (!this.#window.isOpen) await this.#window.opens();
      if (this.#isStopping()) break;
      const next = iterator.next();
      const step = isThenable(next) ? await next : next;
      if (this.#isStopping()) break;
      if (step.done === true) return step.value;
      const item = output(method, step.value);
      this.#sendItem(encodeResult(method, isThenable(item) ? await item : item, codec));
    }
    // What its `finally` throws is thrown here.
    this.#returned ??= this.#return();
    await this.#returned;
    return undefined;
  }

  /** A generator that waits at a `yield` runs its `finally` now; one that is busy, at its next `yield`. */
  #return(): unknown {
    const pending = this.#iterator?.return?.();
    // Awaited by the loop; until then it is not unhandled.
    if (isThenable(pending)) pending.catch(() => undefined);
    return pending;
  }

  #sendItem(content: Content): void {
    if (this.#isStopping()) return;
    this.caller.item(this.id, this.#window.spend(content.body?.length ?? 0), content);
  }

  #isStopping(): boolean {
    return this.#over || this.#stopping !== undefined;
  }

  #grant(items: number, bytes: number): void {
    if (!this.#over) this.caller.grant(this.id, items, bytes);
  }

  #threw(thrown: unknown): void {
    if (this.#over) return;
    if (this.#stopping !== undefined && (ServiceError.is(thrown) || isEchoOf(this.#stopping, thrown)))
      this.#fail(this.#stopping);
    else
      try {
        this.#fail(answerOf(this.method, thrown));
      } catch (bug) {
        this.#events.crashed(this, bug);
      }
  }

  #reply(content: Content): void {
    if (!this.#settle("OK")) return;
    this.#span?.end();
    this.caller.reply(this.id, content);
  }

  #fail(error: ServiceError): void {
    if (!this.#settle(error.code)) return;
    this.#span?.end(error, error.fate !== "answered");
    this.caller.fail(this.id, error);
  }

  #settle(code: string): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#deadline?.cancel();
    this.context.finish();
    this.#window.close();
    this.#inbox?.break(new ServiceError("CANCELLED", "the stream has ended", { fate: "maybe-executed" }));
    this.#events.over(this, code);
    return true;
  }
}

function tooLate(): ServiceError {
  return new ServiceError("DEADLINE_EXCEEDED", "the stream's deadline passed", { fate: "maybe-executed" });
}

function left(): ServiceError {
  const message = "the service is leaving, and ended the stream; open it again, at another pod";
  return new ServiceError("ABORTED", message, { retryable: true, fate: "maybe-executed", details: { leaving: true } });
}
