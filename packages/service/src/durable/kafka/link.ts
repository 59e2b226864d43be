// This process's clients of Kafka: one that manages topics, one idempotent producer whose writes all replicas in sync confirm. Made at
// the first use; the library connects and reconnects.
import type { Admin, BaseOptions, Producer } from "@platformatic/kafka";
import { asError, WherryError } from "@wherry/core";
import { brokerConfirmMs, brokerConnectMs } from "../../limits.ts";
import { brokerError, reasonOf } from "../errors.ts";
import { loadLibrary } from "../library.ts";
import type { BrokerOptions } from "../types.ts";
import { deadTopic, type KafkaTarget, parseKafkaUrl, retryTopic, workTopic } from "./names.ts";

export type Library = typeof import("@platformatic/kafka");

/** What is produced: a topic's record, its key and headers as texts. */
export interface Produced {
  readonly topic: string;
  readonly key: string | undefined;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

interface Clients {
  readonly library: Library;
  readonly admin: Admin;
  readonly producer: Producer;
}

const partitionNumbers = 2 ** 31;

export class KafkaLink {
  readonly #target: KafkaTarget;
  readonly #options: BrokerOptions;
  #clients: Promise<Clients> | undefined;
  readonly #ready: Map<string, Promise<void>> = new Map();
  #closed = false;

  constructor(url: string, options: BrokerOptions) {
    this.#target = parseKafkaUrl(url);
    this.#options = options;
  }

  clients(): Promise<Clients> {
    if (this.#closed) return Promise.reject(brokerError("BROKER_UNAVAILABLE", "this connection to Kafka was closed"));
    this.#clients ??= this.#make().catch((error: unknown) => {
      this.#clients = undefined;
      throw error;
    });
    return this.#clients;
  }

  /** What each of the library's clients is made with. */
  get common(): BaseOptions {
    const { bootstrapBrokers, tls, user } = this.#target;
    return {
      ...{ clientId: "wherry", bootstrapBrokers, retries: 2, retryDelay: 200 },
      ...{ connectTimeout: brokerConnectMs, requestTimeout: brokerConfirmMs, timeout: brokerConfirmMs },
      ...(tls ? { tls: {} } : {}),
      ...(user === undefined ? {} : { sasl: user }),
    };
  }

  async #make(): Promise<Clients> {
    const library = await loadLibrary("@platformatic/kafka", () => import("@platformatic/kafka"));
    const { random } = this.#options;
    const producer = new library.Producer({
      ...{ ...this.common, idempotent: true, acks: library.ProduceAcks.ALL },
      // Keys keep their order in one partition; the others go anywhere.
      partitioner: (_message, key) => (key === undefined ? random.below(partitionNumbers) : library.murmur2(key) >>> 0),
    });
    return { library, admin: new library.Admin(this.common), producer };
  }

  /** Makes the queue's topics, once. Nothing is deleted by age: what is done is trimmed by its consumer. */
  async ready(queue: string): Promise<Clients> {
    const clients = await this.clients();
    let ready = this.#ready.get(queue);
    if (ready === undefined) {
      ready = this.#declare(clients.admin, queue);
      this.#ready.set(queue, ready);
      ready.catch(() => this.#ready.delete(queue));
    }
    await ready;
    return clients;
  }

  async #declare(admin: Admin, queue: string): Promise<void> {
    const { partitions } = this.#target;
    const configs = [{ name: "retention.ms", value: "-1" }];
    for (const topic of [workTopic(queue), retryTopic(queue), deadTopic(queue)]) {
      const count = topic === deadTopic(queue) ? 1 : partitions;
      try {
        await admin.createTopics({ topics: [topic], partitions: count, replicas: -1, configs });
      } catch (error) {
        if (has(error, "TOPIC_ALREADY_EXISTS")) continue;
        throw this.unanswered(error, `did not make the topic ${topic}`);
      }
    }
  }

  /** Resolves when all replicas in sync have it. */
  async produce({ topic, key, body, headers }: Produced): Promise<void> {
    const { producer } = await this.clients();
    const given = Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined);
    const message = {
      topic,
      ...(key === undefined ? {} : { key: Buffer.from(key) }),
      value: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
      headers: new Map(given.map(([name, value]) => [Buffer.from(name), Buffer.from(value)])),
    };
    try {
      await producer.send({ messages: [message] });
    } catch (error) {
      const what = `Kafka did not confirm a message for ${topic}: ${deepestReason(error)}`;
      throw brokerError(has(error, "MESSAGE_TOO_LARGE") ? "BROKER_REFUSED" : "BROKER_UNCONFIRMED", what, error);
    }
  }

  /** What an administrator asks first, so that a server that is away shows here. */
  unanswered(error: unknown, what: string): WherryError {
    const message = `Kafka at ${this.#target.bootstrapBrokers.join(",")} ${what}: ${deepestReason(error)}`;
    const hint = "is it running, and its URL (--broker or BROKER_URL) right?";
    return brokerError("BROKER_UNAVAILABLE", `${message}; ${hint}`, error);
  }

  explain(error: unknown, what: string): WherryError {
    return WherryError.is(error) ? error : brokerError("BROKER_UNAVAILABLE", `${what}: ${deepestReason(error)}`, error);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const clients = await this.#clients?.catch(() => undefined);
    await Promise.allSettled([clients?.producer.close(), clients?.admin.close()]);
  }
}

/** Is one of Kafka's own error codes among what was thrown? The library wraps them several times. */
export function has(error: unknown, apiId: string): boolean {
  if (typeof error !== "object" || error === null) return false;
  const { apiId: own, errors = [], cause } = error as { apiId?: unknown; errors?: unknown[]; cause?: unknown };
  return own === apiId || errors.some((inner) => has(inner, apiId)) || (cause !== undefined && has(cause, apiId));
}

function deepestReason(error: unknown): string {
  const { errors, cause } = asError(error) as Error & { errors?: readonly unknown[] };
  const inner = errors?.at(-1) ?? cause;
  return inner === undefined ? reasonOf(error) : deepestReason(inner);
}
