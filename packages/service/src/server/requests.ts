// Requests on their way through a server: takes one from any caller, queues it, runs its method when its turn comes, and sees to
// it that it is answered once. How answers travel is the caller's business, when they run the executor's.
import { ServiceError } from "../errors.ts";
import { bodiesBytesMax } from "../limits.ts";
import { encodeContent, type TextContent } from "../protocol/content.ts";
import type { DurableReceipt } from "../method.ts";
import { openTelemetry, type Tracing } from "../tracing/open-telemetry.ts";
import { admit } from "./authorize.ts";
import type { BodyBudget } from "./body-budget.ts";
import type { Caller, Incoming } from "./caller.ts";
import { JobContext } from "./context.ts";
import type { Host } from "./host.ts";
import { answerOf, checkStored, invoker, isThenable } from "./invoke.ts";
import { hasShare } from "./party.ts";
import { heldBytes, type RequestJob } from "./job.ts";
import { answerOwn, isOwn, type OwnMethodsHost } from "./own-methods.ts";
import { notCallable, notFound, refusal } from "./refusals.ts";

/** What requests need of the server. */
interface RequestsHost extends Host, OwnMethodsHost {
  readonly bodies: BodyBudget;
  /** Publishes a durable method's request to its broker. Rejects with a `ServiceError`. */
  readonly store: ((job: RequestJob) => Promise<DurableReceipt>) | undefined;
  /** Ends the service for a bug in the handler that ran `job`. */
  crashIn(job: RequestJob, thrown: unknown): void;
}

export class Requests {
  readonly #server: RequestsHost;
  readonly #invoke: ReturnType<typeof invoker>;
  /** Durable methods' requests that the broker has not confirmed yet. */
  #storing = 0;

  constructor(server: RequestsHost) {
    this.#server = server;
    this.#invoke = invoker(server.service, server.clock);
  }

  /**
   * Queues a request, to be started by the executor's next `pump`.
   * @param room false: the caller has as many outstanding as it may.
   * @returns undefined when it is answered already.
   */
  accept(incoming: Incoming, caller: Caller, nowMs: number, room = true): RequestJob | undefined {
    const server = this.#server;
    const { id, method: name, content, body } = incoming;
    if (isOwn(name)) {
      answerOwn(server, caller, id, name);
      return undefined;
    }
    const method = server.service.methods.get(name);
    if (method === undefined) {
      server.metrics.observe("unknown", "NOT_FOUND", 0);
      caller.fail(id, notFound(server.service, name));
      return undefined;
    }
    if (method.stream !== undefined) {
      server.metrics.observe(name, "INVALID", 0);
      caller.fail(id, notCallable(method));
      return undefined;
    }
    const deadlineMs = nowMs + incoming.withinMs;
    const context = new JobContext(incoming, caller, deadlineMs, server);
    const job: RequestJob = {
      kind: "request",
      caller,
      id,
      method,
      content,
      body,
      context,
      arrivedMs: nowMs,
      deadlineMs,
      startedMs: 0,
      endedMs: 0,
      state: "queued",
      span: undefined,
    };
    if (method.durable !== undefined && caller.delivers !== true) return this.#store(job, room);
    if (room && server.state !== "ended" && server.executor.submit(job)) return job;
    this.refuse(job, this.#noRoom(job.caller));
    return undefined;
  }

  /** A durable method's request from anyone but its broker is not run but stored; it takes no turn of the executor. */
  #store(job: RequestJob, room: boolean): RequestJob | undefined {
    job.state = "running";
    const { store, state } = this.#server;
    if (store === undefined || state === "ended" || !room || !this.#mayStore(job)) {
      this.refuse(job, store === undefined || state === "ended" ? refusal() : this.#brokerIsSlow());
      return undefined;
    }
    this.#storing++;
    const { party } = job.caller;
    if (party !== undefined) party.waiting++;
    const { authorize } = this.#server.service;
    const admitted = authorize === undefined ? Promise.resolve() : admit(authorize, job.context);
    const checked = admitted.then(() => checkStored(this.#server.service, job));
    const stored = checked.then(() => store(job));
    const ended = (): void => {
      this.#storing--;
      if (party !== undefined) party.waiting--;
      this.#server.bodies.release(heldBytes(job), party);
    };
    stored.finally(ended).then(
      (receipt) => this.#stored(job, receipt),
      (error: unknown) => {
        // Not stored, or maybe, is no answer: the client may send it again, in the second case if it has a key.
        if (ServiceError.is(error) && error.fate !== "answered") this.refuse(job, error);
        else this.#fail(job, error);
      },
    );
    return job;
  }

  /** Not counted and timed as a request: it will be, where it is run. */
  #stored(job: RequestJob, receipt: DurableReceipt): void {
    if (job.state === "answered") return;
    this.#finish(job);
    this.#server.metrics.observeStored(job.method.name);
    job.caller.reply(job.id, encodeContent(receipt));
  }

  /** What the broker has not confirmed is held here, and bounded as the queue is. */
  #mayStore(job: RequestJob): boolean {
    const { bodies, service } = this.#server;
    const { queueMax } = service;
    const { party } = job.caller;
    if (this.#storing >= queueMax || (party !== undefined && !hasShare(party.waiting, this.#storing, queueMax)))
      return false;
    // What it takes is released when the broker has answered.
    return bodies.take(heldBytes(job), party);
  }

  #brokerIsSlow(): ServiceError {
    const message = `${this.#storing} durable calls wait for the broker to confirm them; try again later`;
    return new ServiceError("BUSY", message, { retryable: true, fate: "not-started", retryAfterMs: 100 });
  }

  /** Nobody waits for it any more: what has not started is answered now, what runs is told, and answers when it ends. */
  cancel(job: RequestJob, reason: ServiceError): void {
    if (job.state === "queued") this.refuse(job, reason);
    else if (job.state === "running") job.context.abort(reason);
  }

  /** Answers a request with an error, once. */
  refuse(job: RequestJob, error: ServiceError): void {
    if (job.state === "answered") return;
    this.#settle(job, error.code);
    job.span?.end(error, error.fate !== "answered");
    job.caller.fail(job.id, error);
  }

  /** @returns undefined when it is answered, else a promise for that, which never rejects. */
  run(job: RequestJob): Promise<void> | undefined {
    if (job.startedMs >= job.deadlineMs) {
      const message = "the deadline passed while the request was queued; it was not started";
      this.refuse(job, new ServiceError("DEADLINE_EXCEEDED", message, { fate: "not-started" }));
      return undefined;
    }
    const tracing = openTelemetry();
    try {
      const result = tracing === undefined ? this.#invoke(job) : this.#traced(job, tracing);
      if (isThenable(result))
        return result.then(
          (content) => this.#reply(job, content),
          (error: unknown) => this.#fail(job, error),
        );
      this.#reply(job, result);
    } catch (error) {
      this.#fail(job, error);
    }
    return undefined;
  }

  /** In a span of its own: what the handler calls is that one's child. */
  #traced(job: RequestJob, tracing: Tracing): TextContent | Promise<TextContent> {
    const span = tracing.request(this.#server.service.name, job.context, job.caller.delivers);
    job.span = span;
    job.context.trace = span.traceparent;
    return span.within(() => this.#invoke(job));
  }

  #reply(job: RequestJob, content: TextContent): void {
    if (job.state === "answered") return;
    this.#settle(job, "OK");
    job.span?.end();
    job.caller.reply(job.id, content);
  }

  #fail(job: RequestJob, thrown: unknown): void {
    try {
      this.refuse(job, job.context.answerOfAbort(thrown) ?? answerOf(job.method, thrown));
    } catch (bug) {
      this.#server.crashIn(job, bug);
    }
  }

  #finish(job: RequestJob): void {
    job.state = "answered";
    job.endedMs = this.#server.clock.monotonic();
    job.context.finish();
  }

  #settle(job: RequestJob, code: string): void {
    this.#finish(job);
    this.#server.metrics.observe(job.method.name, code, job.endedMs - job.arrivedMs);
  }

  #noRoom({ party }: Caller): ServiceError {
    const { state, credit, executor, service } = this.#server;
    if (state === "ended") return refusal();
    const retryAfterMs = Math.min(1000, Math.max(10, ((credit.meanMs ?? 1) * executor.queued) / service.concurrency));
    const own = party === undefined ? "" : ` (${party.waiting} and ${party.bodyBytes} of this client)`;
    const queued = `${executor.queued} requests of ${executor.queuedBytes} bytes are queued${own}`;
    const message = `${queued}, of at most ${service.queueMax} and ${bodiesBytesMax} bytes for all; try again later or elsewhere`;
    return new ServiceError("BUSY", message, { retryable: true, fate: "not-started", retryAfterMs });
  }
}
