// The client's side of durable methods: their calls go to the broker, and need no pod. The broker's code is loaded at the first one.
import { WherryError, type Clock, type Logger, type Random } from "@wherry/core";
import type { Publisher } from "../durable/publisher.ts";
import type { OutgoingMessage } from "../durable/types.ts";
import { type RequestFate, ServiceError } from "../errors.ts";
import type { Contract } from "../contract.ts";
import { contentType } from "../protocol/codes.ts";
import { type Codec, encodeContent } from "../protocol/content.ts";
import { currentContext } from "../current-context.ts";
import { openTelemetry } from "../tracing/open-telemetry.ts";
import { checkText } from "./call.ts";
import { checkingBodies, type Send } from "./chain.ts";
import { mayFallBack } from "./fallback.ts";
import { Handover } from "./handover.ts";
import { type MethodPolicy, Policies, type PolicyOptions } from "./policy.ts";
import { backoffMs } from "./retry.ts";
import type { CallOptions, ConnectOptions, MethodOptions } from "./types.ts";

interface DurableCallsOptions extends Pick<ConnectOptions, "broker">, PolicyOptions {
  /** What the service calls itself. */
  readonly service: string;
  /** Where it is; asked once. */
  readonly namespace: () => Promise<string>;
  readonly codec: Codec | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Of one call. */
interface Attempts {
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  readonly handover: Handover;
}

export class DurableCalls {
  readonly #methods: ReadonlySet<string>;
  readonly #options: DurableCallsOptions;
  readonly #policies: Policies;
  #publisher: Promise<Publisher> | undefined;
  #namespace: Promise<string> | undefined;
  #closed = false;

  /** @throws WherryError SERVICE_OPTION_INVALID for an option of a durable method that only pods can honour. */
  constructor(methods: readonly string[], options: DurableCallsOptions) {
    this.#methods = new Set(methods);
    this.#options = options;
    this.#policies = new Policies(options);
    const own: Readonly<Record<string, MethodOptions | undefined>> = options.methods ?? {};
    for (const method of methods) if (Object.hasOwn(own, method)) refuseForPods(method, own[method] ?? {});
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
    refuseForPods(method, options);
    const policy = this.#policies.of(method, options);
    const parent = options.parent === undefined ? currentContext() : options.parent;
    const givenState = options.trace === undefined ? (parent?.traceState ?? "") : "";
    const given = options.trace ?? parent?.trace ?? "";
    const content = encodeContent(value, this.#options.codec);
    const span = openTelemetry()?.call(this.#options.service, method, given, givenState, true);
    const [trace, traceState] = [span?.traceparent ?? given, span?.tracestate ?? givenState];
    const { key = "" } = options;
    checkText("key", key);
    checkText("trace", trace);
    const message: OutgoingMessage = {
      ...content,
      codec: content.content === contentType.coded ? this.#options.codec?.name : undefined,
      ...{ key: key || undefined, trace: trace || undefined, traceState: traceState || undefined },
    };
    const withinMs = Math.min(policy.deadlineMs, parent?.remainingMs ?? Infinity);
    const signals = [options.signal, parent?.signal].filter((signal) => signal !== undefined);
    try {
      const receipt = await this.#store(method, message, policy, withinMs, signals);
      span?.end();
      return receipt;
    } catch (error) {
      if (!ServiceError.is(error)) throw error;
      span?.end(error);
      const { fallback } = policy;
      if (fallback === undefined || !mayFallBack(error)) throw error;
      const { value: other } = fallback;
      return typeof other === "function" ? (other as (error: ServiceError) => unknown)(error) : other;
    }
  }

  async #store(
    method: string,
    message: OutgoingMessage,
    policy: MethodPolicy,
    withinMs: number,
    signals: readonly AbortSignal[],
  ): Promise<unknown> {
    if (this.#closed) throw new ServiceError("CLOSED", "the client was closed", { fate: "not-started" });
    const cancelled = signals.find((signal) => signal.aborted);
    if (cancelled !== undefined) throw cancelledError("not-started", cancelled.reason);
    if (withinMs <= 0) throw lateError("the deadline had passed before the call was made", "not-started");
    const over = new AbortController();
    const signal = signals.length === 0 ? over.signal : AbortSignal.any([over.signal, ...signals]);
    const handover = new Handover();
    const deadlineMs = this.#options.clock.monotonic() + withinMs;
    const work = this.#repeated(method, message, policy, { deadlineMs, signal, handover });
    const late = this.#options.clock.sleep(withinMs, signal).then(
      () => {
        throw unconfirmedError(withinMs, handover);
      },
      (cause: unknown) => {
        throw cancelledError(handover.giveUp(), cause);
      },
    );
    try {
      // What the broker has got is not stopped: a message that the caller no longer waits for may be stored, or not.
      return await Promise.race([work, late]);
    } finally {
      // With a reason, or one would be made, and its stack, for nobody.
      over.abort("settled");
      late.catch(() => undefined);
      work.catch(() => undefined);
    }
  }

  /** What was not stored is sent again, and what may be stored if it has a key, or the caller says that twice is once. */
  async #repeated(
    method: string,
    message: OutgoingMessage,
    { retry, idempotent = false }: MethodPolicy,
    { deadlineMs, signal, handover }: Attempts,
  ): Promise<unknown> {
    const { clock, random } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#publish(method, message, handover);
      } catch (error) {
        if (!ServiceError.is(error)) throw error;
        handover.failed(error);
        const { maybeStored } = handover;
        const repeatable = !maybeStored || message.key !== undefined || idempotent;
        const pauseMs = backoffMs(attempt, retry, random);
        const inTime = clock.monotonic() + pauseMs < deadlineMs && !signal.aborted;
        if (!error.retryable || !repeatable || attempt >= retry.attempts || !inTime)
          throw maybeStored ? asMaybeStored(error) : error;
        await clock.sleep(pauseMs, signal);
      }
    }
  }

  async #publish(method: string, message: OutgoingMessage, handover: Handover): Promise<unknown> {
    const { service, namespace } = this.#options;
    // A failure is not kept: a kubeconfig may be mended.
    this.#namespace ??= namespace().catch((error: unknown) => {
      this.#namespace = undefined;
      throw error;
    });
    const [publisher, { queueOf }, where] = await Promise.all([
      this.#load(),
      import("../durable/open.ts"),
      this.#namespace,
    ]);
    return publisher.publish(queueOf(service, method, where), message, () => handover.begin());
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

/** @throws WherryError SERVICE_OPTION_INVALID: nobody shall believe that these hold. */
function refuseForPods(method: string, { hedge, retry, ...more }: CallOptions & MethodOptions): void {
  const { affinity, to, breaker } = more;
  const given = {
    ...{ affinity, to, "retry.attemptTimeoutMs": retry?.attemptTimeoutMs, "retry.crashes": retry?.crashes },
    ...{ hedge: hedge === false ? undefined : hedge, breaker: breaker === false ? undefined : breaker },
  };
  const wrong = Object.entries(given).find(([, value]) => value !== undefined);
  if (wrong === undefined) return;
  throw new WherryError(
    `${wrong[0]}: expected none for the durable method ${method}, whose calls a broker stores and no pod answers; leave it out`,
    { code: "SERVICE_OPTION_INVALID" },
  );
}

function asMaybeStored({ code, message, retryable, cause }: ServiceError): ServiceError {
  return new ServiceError(code, message, { retryable, fate: "maybe-executed", cause });
}

function unconfirmedError(withinMs: number, handover: Handover): ServiceError {
  const fate = handover.giveUp();
  const { last } = handover;
  const why = last === undefined ? "" : `: ${last.message}`;
  if (fate === "maybe-executed") {
    const text = `the broker did not confirm within ${withinMs} ms${why}; the call may be stored: with a key, the same again is safe`;
    return lateError(text, fate);
  }
  return lateError(`the broker was not reached within ${withinMs} ms${why}; the call was not stored`, fate);
}

function lateError(message: string, fate: RequestFate): ServiceError {
  return new ServiceError("DEADLINE_EXCEEDED", message, { fate });
}

function cancelledError(fate: RequestFate, cause: unknown): ServiceError {
  return new ServiceError("CANCELLED", "the caller cancelled the call", { fate, cause });
}
