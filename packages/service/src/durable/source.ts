// The broker's side of a service: brings the messages of its durable methods to the server as requests, and tells the broker what
// became of each. A message is acknowledged after its handler has returned, and only then.
import { asError, type Random, type Timer } from "@wherry/core";
import type { ServiceError } from "../errors.ts";
import type { DeliveryOutcome } from "../metrics/request-metrics.ts";
import { deadReasonCharactersMax, redeliverFirstMs, redeliverMaxMs } from "../limits.ts";
import type { Caller, Source } from "../server/caller.ts";
import { contentType } from "../protocol/codes.ts";
import { refusal } from "../server/refusals.ts";
import { otherCodec } from "../server/codec.ts";
import type { RequestJob } from "../server/job.ts";
import type { Server } from "../server/server.ts";
import type { DurableReceipt } from "../method.ts";
import type { Method } from "../service.ts";
import { queueOf } from "./open.ts";
import { Publisher } from "./publisher.ts";
import { Queues } from "./queues.ts";
import type { Broker, BrokerConsumer, DeadReason, Delivery } from "./types.ts";

/** A durable method, as `service()` made it. */
type DurableMethod = Method & { readonly durable: NonNullable<Method["durable"]> };

function isDurable(method: Method): method is DurableMethod {
  return method.durable !== undefined;
}

interface Out {
  readonly delivery: Delivery;
  readonly method: DurableMethod;
  job?: RequestJob | undefined;
  /** It waits for room in the service's queue. */
  waits?: Timer;
}

export class DurableSource implements Source, Caller {
  readonly address: string;
  readonly delivers = true;
  readonly #server: Server;
  readonly #namespace: string;
  readonly #random: Random;
  readonly #publisher: Publisher;
  readonly #consumers: BrokerConsumer[] = [];
  /** Deliveries that are not settled, by the number that the server knows them by. */
  readonly #out: Map<number, Out> = new Map();
  /** Settlements and publishes under way. */
  readonly #work: Set<Promise<unknown>> = new Set();
  #lastId = 0;
  #leaving = false;

  /** @param namespace of the pod: its queues are its own. */
  constructor(
    server: Server,
    { broker, namespace, random }: { broker: string | Broker | undefined; namespace: string; random: Random },
  ) {
    this.#server = server;
    this.#namespace = namespace;
    this.#random = random;
    this.#publisher = new Publisher(broker, { clock: server.clock, log: server.log, random });
    this.address = `broker:${server.service.name}`;
    server.attach(this);
    server.store = (job) => this.#tracked(this.#store(job));
    const durable = [...server.service.methods.values()].filter(isDurable);
    const names = new Map(durable.map((method) => [method.name, this.#queueOf(method)]));
    const queues = new Queues(names, () => this.#publisher.broker(), server.clock);
    server.queues = () => queues.look();
  }

  /**
   * Starts to consume, after the service listens.
   * @throws WherryError when the broker cannot be used at all; a server that is away for now is waited for.
   */
  async start(): Promise<void> {
    const broker = await this.#publisher.broker();
    this.#server.broker = broker.kind;
    const { methods, concurrency } = this.#server.service;
    for (const method of methods.values()) if (isDurable(method)) await this.#consume(broker, method, concurrency);
  }

  async #consume(broker: Broker, method: DurableMethod, prefetch: number): Promise<void> {
    const queue = this.#queueOf(method);
    const deliver = (delivery: Delivery): void => this.#deliver(delivery, method);
    const consumer = await broker.consume(queue, { prefetch, deliver });
    // A signal may have come in between.
    if (this.#leaving) await consumer.stop();
    else this.#consumers.push(consumer);
  }

  #deliver(delivery: Delivery, method: DurableMethod): void {
    const { redeliveriesMax } = method.durable;
    if (delivery.count > redeliveriesMax + 1) {
      const message = `was delivered ${delivery.count - 1} times, and each time its pod ended before it was done`;
      this.#die(delivery, method, { code: "REDELIVERIES", message });
      return;
    }
    const { codec } = this.#server.service;
    if (delivery.content === contentType.coded && delivery.codec !== codec?.name) {
      // Of a client with another version of the contract: it can be driven back, once a pod has that codec.
      this.#die(delivery, method, otherCodec(delivery.codec, codec));
      return;
    }
    this.#lastId++;
    this.#out.set(this.#lastId, { delivery, method });
    this.#run(this.#lastId);
  }

  #run(id: number): void {
    const out = this.#out.get(id);
    if (out === undefined) return;
    const { delivery, method } = out;
    const { key = "", trace = "", traceState, content, body, count } = delivery;
    const attempt = Math.min(count, 255);
    const { maxRunMs: withinMs } = method.durable;
    const incoming = { id, method: method.name, key, trace, traceState, attempt, content, body, withinMs };
    out.job = this.#server.take(incoming, this);
  }

  reply(id: number): void {
    this.#settle(id, "acknowledged", (delivery) => delivery.ack());
  }

  fail(id: number, error: ServiceError): void {
    const out = this.#out.get(id);
    if (out === undefined) return;
    const { delivery, method } = out;
    if (error.fate === "not-started") this.#notStarted(id, out, error);
    else if (error.fate === "maybe-executed") {
      // The pod ends. If this message is why, the next pod shall not end at once.
      this.#settle(id, "retried", () => delivery.retry(this.#pauseMs(delivery.count)));
    } else if (error.retryable && delivery.count <= method.durable.redeliveriesMax) {
      const pauseMs = Math.max(error.retryAfterMs ?? 0, this.#pauseMs(delivery.count));
      this.#settle(id, "retried", () => delivery.retry(pauseMs));
    } else {
      this.#out.delete(id);
      this.#die(delivery, method, error);
    }
  }

  /** No room for it now: it waits here, where it counts against the prefetch, unless the service leaves. */
  #notStarted(id: number, out: Out, { code, retryAfterMs = redeliverFirstMs }: ServiceError): void {
    if (code !== "BUSY" || this.#leaving) this.#settle(id, "released", (delivery) => delivery.release());
    else out.waits = this.#server.clock.timer(retryAfterMs, () => this.#run(id), { background: true });
  }

  #settle(id: number, outcome: DeliveryOutcome, how: (delivery: Delivery) => Promise<boolean>): void {
    const out = this.#out.get(id);
    if (out === undefined) return;
    this.#out.delete(id);
    void this.#tracked(this.#settled(out.delivery, out.method, outcome, how(out.delivery)));
  }

  #die(delivery: Delivery, method: DurableMethod, { code, message }: DeadReason): void {
    const reason = { code, message: message.slice(0, deadReasonCharactersMax) };
    const fields = { method: method.name, id: delivery.id, key: delivery.key, count: delivery.count, code };
    this.#server.log.warn(fields, `a durable call is a dead letter: ${reason.message}`);
    void this.#tracked(this.#settled(delivery, method, "dead", delivery.deadLetter(reason)));
  }

  async #settled(
    { id, key }: Delivery,
    { name: method }: Method,
    outcome: DeliveryOutcome,
    done: Promise<boolean>,
  ): Promise<void> {
    const ours = await done;
    this.#server.metrics.observeDelivery(method, ours ? outcome : "lost");
    if (!ours)
      this.#server.log.warn(
        { method, id, key, outcome },
        "the broker took a message back before it was settled; it runs, or ran, again elsewhere",
      );
  }

  /** Doubles with each delivery; half of it is random, so that a fleet does not try in step. */
  #pauseMs(count: number): number {
    const fullMs = Math.min(redeliverMaxMs, redeliverFirstMs * 2 ** Math.min(20, count - 1));
    return Math.round(fullMs * (0.5 + this.#random.next() / 2));
  }

  /** A call over the wire: from a client that does not publish itself. */
  #store({ method, context, content, body }: RequestJob): Promise<DurableReceipt> {
    const { key, trace, traceState } = context;
    const codec = content === contentType.coded ? this.#server.service.codec?.name : undefined;
    return this.#publisher.publish(this.#queueOf(method), { content, codec, body, key, trace, traceState });
  }

  #queueOf({ name }: Method): string {
    return queueOf(this.#server.service.name, name, this.#namespace);
  }

  #tracked<T>(work: Promise<T>): Promise<T> {
    this.#work.add(work);
    const done = (): void => void this.#work.delete(work);
    work.then(done, done);
    return work;
  }

  /** What runs is finished, what has not started is handed back at once. */
  leave(): void {
    this.#leaving = true;
    for (const consumer of this.#consumers)
      void this.#tracked(consumer.stop()).catch((error: unknown) =>
        this.#server.log.warn({ err: asError(error) }, "broker"),
      );
    for (const [id, { job, waits }] of this.#out) {
      waits?.cancel();
      if (job === undefined) this.#settle(id, "released", (delivery) => delivery.release());
      else if (job.state === "queued") this.#server.requests.refuse(job, refusal());
    }
  }

  get quiet(): boolean {
    return this.#out.size === 0 && this.#work.size === 0;
  }

  async close(lingerMs: number): Promise<void> {
    if (!this.#leaving) this.leave();
    await this.#flushed(lingerMs);
    await this.#publisher.close();
  }

  async #flushed(limitMs: number): Promise<void> {
    const { clock } = this.#server;
    const late = new AbortController();
    const flushed = Promise.allSettled(this.#work).then(() => late.abort());
    await clock.sleep(limitMs, late.signal).catch(() => flushed);
  }
}
