// Durable calls over Kafka: topics of work, of retries and of dead letters for each method, one consumer group that all its pods share.
// A partition's messages run one after the other, so a method runs at most as many at a time as its topics have partitions.
import { Consumers } from "../consumers.ts";
import { headersOf, keptOf, letterOf, type Texts } from "../headers.ts";
import { Presence } from "../presence.ts";
import { kafkaFetchBytesMax } from "../../limits.ts";
import type {
  Broker,
  BrokerConsumer,
  BrokerOptions,
  ConsumeOptions,
  DeadLetter,
  DeadSelection,
  Depth,
  OutgoingMessage,
  Receipt,
} from "../types.ts";
import { KafkaConsumer } from "./consumer.ts";
import { KafkaGroup } from "./group.ts";
import { KafkaLink } from "./link.ts";
import { deadTopic, groupOf, kafkaHeader, retryTopic, textsOf, workTopic } from "./names.ts";

/** @throws WherryError BROKER_URL_INVALID */
export function openKafkaBroker(url: string, options: BrokerOptions): Broker {
  return new KafkaBroker(url, options);
}

interface DeadRecord {
  readonly key: string | undefined;
  readonly value: Buffer;
  readonly headers: Texts;
}

class KafkaBroker implements Broker {
  readonly kind = "kafka";
  readonly #options: BrokerOptions;
  readonly #link: KafkaLink;
  readonly #presence: Presence;
  readonly #consumers: Consumers<KafkaConsumer>;
  #closing: Promise<void> | undefined;

  constructor(url: string, options: BrokerOptions) {
    this.#options = options;
    this.#link = new KafkaLink(url, options);
    this.#presence = new Presence("Kafka", options);
    this.#consumers = new Consumers(options, this.#presence);
  }

  async ready(queue: string): Promise<void> {
    await this.#link.ready(queue);
  }

  async publish(queue: string, message: OutgoingMessage): Promise<Receipt> {
    await this.#link.ready(queue);
    const { key, body = new Uint8Array() } = message;
    const id = this.#options.random.uuid();
    const headers = { ...headersOf(message, this.#options.clock.now()), [kafkaHeader.id]: id };
    await this.#link.produce({ topic: workTopic(queue), key, body, headers });
    // Whether a message with this key is there already, its consumer finds out.
    return { id, duplicate: false };
  }

  async consume(queue: string, options: ConsumeOptions): Promise<BrokerConsumer> {
    return this.#consumers.add(() => this.#start(queue, options));
  }

  async #start(queue: string, options: ConsumeOptions): Promise<KafkaConsumer> {
    const { library } = await this.#link.ready(queue);
    const group = new KafkaGroup(library, this.#link, queue, this.#options);
    const parts = { queue, link: this.#link, group, broker: this.#options, presence: this.#presence };
    const consumer = new KafkaConsumer({ ...options, ...parts });
    try {
      return await consumer.start();
    } catch (error) {
      await consumer.end();
      throw error;
    }
  }

  async depth(queue: string): Promise<Depth> {
    return this.#ask(queue, async () => {
      const [ends, starts] = await Promise.all([this.#ends(queue, "LATEST"), this.#ends(queue, "EARLIEST")]);
      const { admin } = await this.#link.clients();
      const topics = [workTopic(queue), retryTopic(queue)].map((name) => ({
        name,
        partitionIndexes: (ends.get(name) ?? []).map((_, partition) => partition),
      }));
      const [group] = await admin.listConsumerGroupOffsets({ groups: [{ groupId: groupOf(queue), topics }] });
      let ready = 0n;
      for (const { name, partitionIndexes } of topics)
        for (const partition of partitionIndexes) {
          const committed = group?.topics
            .find((topic) => topic.name === name)
            ?.partitions.find(({ partitionIndex }) => partitionIndex === partition)?.committedOffset;
          const first = starts.get(name)?.[partition] ?? 0n;
          const from = committed === undefined || committed < first ? first : committed;
          ready += (ends.get(name)?.[partition] ?? 0n) - from;
        }
      const dead = (ends.get(deadTopic(queue))?.[0] ?? 0n) - (starts.get(deadTopic(queue))?.[0] ?? 0n);
      return { ready: Number(ready), inFlight: undefined, dead: Number(dead) };
    });
  }

  async hasQueue(queue: string): Promise<boolean> {
    const { admin } = await this.#link.clients();
    try {
      return (await admin.listTopics()).includes(workTopic(queue));
    } catch (error) {
      throw this.#link.unanswered(error, "did not tell which topics it has");
    }
  }

  async #ends(queue: string, which: "LATEST" | "EARLIEST"): Promise<Map<string, bigint[]>> {
    const { library } = await this.#link.clients();
    return this.#withConsumer(queue, (consumer) =>
      consumer.listOffsets({
        topics: [workTopic(queue), retryTopic(queue), deadTopic(queue)],
        timestamp: library.ListOffsetTimestamps[which],
      }),
    );
  }

  /** A client that reads without being a member of any group. */
  async #withConsumer<T>(queue: string, use: (consumer: KafkaGroup["consumer"]) => Promise<T>): Promise<T> {
    const { library } = await this.#link.clients();
    const consumer = new library.Consumer({
      ...this.#link.common,
      groupId: `${groupOf(queue)}.reader`,
      autocommit: false,
    });
    try {
      return await use(consumer);
    } finally {
      await consumer.close(true).catch(() => undefined);
    }
  }

  async deadLetters(queue: string, limit: number): Promise<readonly DeadLetter[]> {
    const { records } = await this.#ask(queue, () => this.#dead(queue));
    return records.slice(0, limit).map(({ key, value, headers }) => ({
      ...letterOf(headers[kafkaHeader.id] ?? "", headers, value),
      key,
    }));
  }

  /** All dead letters, and the offset after them. */
  async #dead(queue: string): Promise<{ records: DeadRecord[]; end: bigint }> {
    const topic = deadTopic(queue);
    const [[end = 0n] = [], [start = 0n] = []] = await Promise.all([
      this.#ends(queue, "LATEST").then((ends) => ends.get(topic)),
      this.#ends(queue, "EARLIEST").then((starts) => starts.get(topic)),
    ]);
    const records: DeadRecord[] = [];
    await this.#withConsumer(queue, async (consumer) => {
      const metadata = await consumer.metadata({ topics: [topic] });
      const { id: topicId = "", partitions = [] } = metadata.topics.get(topic) ?? {};
      consumer.topics.track(topic);
      for (let position = start; position < end; ) {
        const epochs = { currentLeaderEpoch: -1, lastFetchedEpoch: -1 };
        const place = { partition: 0, ...epochs, fetchOffset: position, partitionMaxBytes: kafkaFetchBytesMax };
        const { responses } = await consumer.fetch({
          ...{ node: partitions[0]?.leader ?? 0, topics: [{ topicId, partitions: [place] }] },
          ...{ minBytes: 1, maxBytes: kafkaFetchBytesMax, maxWaitTime: 100, isolationLevel: 1 },
        });
        const before = position;
        for (const batch of responses[0]?.partitions[0]?.records ?? [])
          for (const { offsetDelta, key, value, headers } of batch.records) {
            const offset = batch.firstOffset + BigInt(offsetDelta);
            if (offset < position || offset >= end) continue;
            position = offset + 1n;
            records.push({ key: key?.toString(), value: value ?? Buffer.alloc(0), headers: textsOf(headers) });
          }
        if (position === before) break;
      }
    });
    return { records, end };
  }

  redrive(queue: string, which: DeadSelection): Promise<number> {
    return this.#sort(queue, which, async ({ key, value, headers }) => {
      const more = { [kafkaHeader.id]: headers[kafkaHeader.id], [kafkaHeader.again]: "1" };
      await this.#link.produce({ topic: workTopic(queue), key, body: value, headers: { ...keptOf(headers), ...more } });
    });
  }

  purge(queue: string, which: DeadSelection): Promise<number> {
    return this.#sort(queue, which, async () => undefined);
  }

  /** Kafka deletes from the start only: those that stay are written anew at the end, before the old ones are deleted. */
  #sort(queue: string, which: DeadSelection, take: (record: DeadRecord) => Promise<void>): Promise<number> {
    return this.#ask(queue, async () => {
      const { records, end } = await this.#dead(queue);
      const chosen = records.filter(({ headers }) => which === "all" || which.includes(headers[kafkaHeader.id] ?? ""));
      if (chosen.length === 0) return 0;
      for (const record of records) {
        if (chosen.includes(record)) await take(record);
        else
          await this.#link.produce({
            topic: deadTopic(queue),
            key: record.key,
            body: record.value,
            headers: record.headers,
          });
      }
      const { admin } = await this.#link.clients();
      await admin.deleteRecords({ topics: [{ name: deadTopic(queue), partitions: [{ partition: 0, offset: end }] }] });
      return chosen.length;
    });
  }

  async #ask<T>(queue: string, ask: () => Promise<T>): Promise<T> {
    await this.#link.ready(queue);
    try {
      return await ask();
    } catch (error) {
      throw this.#link.explain(error, `Kafka did not answer about ${queue}`);
    }
  }

  close(graceMs = 0): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async #close(graceMs: number): Promise<void> {
    await this.#consumers.close(graceMs);
    await this.#link.close();
  }
}
