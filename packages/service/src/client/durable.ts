// The client's side of durable methods: their calls go to the broker, and need no pod. The broker's code is loaded at the first one.
import type { Clock, Logger, Random } from "@wherry/core";
import type { Publisher } from "../durable/publisher.ts";
import type { OutgoingMessage } from "../durable/types.ts";
import { type RequestFate, ServiceError } from "../errors.ts";
import type { Contract } from "../contract.ts";
import { deadlineMsDefault } from "../limits.ts";
import { encodeContent } from "../protocol/content.ts";
import { currentContext } from "../current-context.ts";
import { checkText } from "./call.ts";
import { checkingBodies, type Send } from "./chain.ts";
import type { CallOptions, ConnectOptions } from "./types.ts";

interface DurableCallsOptions extends Pick<ConnectOptions, "broker" | "deadlineMs"> {
  /** What the service calls itself. */
  readonly service: string;
  /** Where it is; undefined: where this process is. */
  readonly namespace: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export class DurableCalls {
  readonly #methods: ReadonlySet<string>;
  readonly #options: DurableCallsOptions;
  #publisher: Promise<Publisher> | undefined;
  #closed = false;

  constructor(methods: readonly string[], options: DurableCallsOptions) {
    this.#methods = new Set(methods);
    this.#options = options;
  }

  /**
   * The same calls, but the durable methods' go to the broker.
   * @param contract whose schemas refuse a body before it is stored; its caller would not hear of it later.
   */
  before(direct: Send, contract: Contract | undefined): Send {
    const store: Send = (method, value, options) => this.#call(method, value, options);
    const checked = contract === undefined ? store : checkingBodies(contract, store);
    return (method, value, options) => {
      if (!this.#methods.has(method)) return direct(method, value, options);
      const agreed = contract !== undefined && Object.hasOwn(contract.methods, method);
      return (agreed ? checked : store)(method, value, options);
    };
  }

  async #call(method: string, value: unknown, options: CallOptions = {}): Promise<unknown> {
    const { key } = options;
    const parent = options.parent === undefined ? currentContext() : options.parent;
    const trace = options.trace ?? parent?.trace;
    checkText("key", key ?? "");
    checkText("trace", trace ?? "");
    const message = { ...encodeContent(value), key: key === "" ? undefined : key, trace };
    if (this.#closed) throw new ServiceError("CLOSED", "the client was closed", { fate: "not-started" });
    const withinMs = Math.min(
      options.deadlineMs ?? this.#options.deadlineMs ?? deadlineMsDefault,
      parent?.remainingMs ?? Infinity,
    );
    const signals = [options.signal, parent?.signal];
    const cancelled = signals.find((signal) => signal?.aborted);
    if (cancelled !== undefined) throw cancelledError("not-started", cancelled.reason);
    if (withinMs <= 0) throw lateError("the deadline had passed before the call was made", "not-started");
    return this.#within(this.#publish(method, message), withinMs, signals);
  }

  /** What is under way is not stopped: a message that the caller no longer waits for may be stored, or not. */
  async #within<T>(work: Promise<T>, withinMs: number, signals: readonly (AbortSignal | undefined)[]): Promise<T> {
    const given = signals.filter((signal) => signal !== undefined);
    const ended = new AbortController();
    const late = this.#options.clock.sleep(withinMs, AbortSignal.any([ended.signal, ...given])).then(
      () => {
        const message = `the broker did not confirm within ${withinMs} ms; the call may be stored: with a key, the same again is safe`;
        throw lateError(message, "maybe-executed");
      },
      (cause: unknown) => {
        throw cancelledError("maybe-executed", cause);
      },
    );
    try {
      return await Promise.race([work, late]);
    } finally {
      ended.abort();
      late.catch(() => undefined);
      work.catch(() => undefined);
    }
  }

  async #publish(method: string, message: OutgoingMessage): Promise<unknown> {
    const { service, namespace } = this.#options;
    const [publisher, { queueOf }, { ownNamespace }] = await Promise.all([
      this.#load(),
      import("../durable/open.ts"),
      import("../durable/namespace.ts"),
    ]);
    return publisher.publish(queueOf(service, method, namespace ?? ownNamespace(process.env)), message);
  }

  #load(): Promise<Publisher> {
    const { broker, clock, random, log } = this.#options;
    this.#publisher ??= import("../durable/publisher.ts").then(
      ({ Publisher }) => new Publisher(broker, { clock, random, log }),
    );
    return this.#publisher;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await (await this.#publisher)?.close();
  }
}

function lateError(message: string, fate: RequestFate): ServiceError {
  return new ServiceError("DEADLINE_EXCEEDED", message, { fate });
}

function cancelledError(fate: RequestFate, cause: unknown): ServiceError {
  return new ServiceError("CANCELLED", "the caller cancelled the call", { fate, cause });
}
