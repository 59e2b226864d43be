// A pod's consumer of one queue in Kafka: fetches its partitions, hands out one message of each at a time, and commits before and
// after: before, that it is begun; after, that it is done.
import { asError } from "@wherry/core";
import { kafkaBufferMax, kafkaFetchBytesMax, kafkaFetchMs, kafkaIdleMs, kafkaTrimEvery } from "../../limits.ts";
import { contentType } from "../../protocol/codes.ts";
import type { BrokerConsumer, BrokerOptions, ConsumeOptions, DeadReason, Delivery } from "../types.ts";
import { type KafkaGroup, placeKey, type Place } from "./group.ts";
import { has, type KafkaLink, type Library } from "./link.ts";
import { contentOf, deadTopic, header, headersOf, retryTopic, workTopic } from "./names.ts";
import { type Entry, Partition } from "./partition.ts";

export interface KafkaConsumerOptions extends ConsumeOptions {
  readonly queue: string;
  readonly library: Library;
  readonly link: KafkaLink;
  readonly group: KafkaGroup;
  readonly broker: BrokerOptions;
}

export class KafkaConsumer implements BrokerConsumer {
  readonly #options: KafkaConsumerOptions;
  readonly #partitions: Map<string, Partition> = new Map();
  #out = 0;
  #stopped = false;
  #left: Promise<void> | undefined;
  #commits = 0;
  readonly #stop: AbortController = new AbortController();

  constructor(options: KafkaConsumerOptions) {
    this.#options = options;
  }

  get outstanding(): number {
    return this.#out;
  }

  async start(): Promise<this> {
    const { group } = this.#options;
    await group.join((own) => void this.#assigned(own).catch((error: unknown) => this.#troubled(error)));
    void this.#fetchOn();
    return this;
  }

  /** A member that has messages out stays until they are settled: only members can commit. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stop.abort();
    if (this.#out === 0) await this.end();
  }

  end(): Promise<void> {
    this.#stopped = true;
    this.#stop.abort();
    this.#partitions.clear();
    this.#left ??= this.#options.group.leave();
    return this.#left;
  }

  #troubled(error: unknown): void {
    if (this.#stopped) return;
    const { log } = this.#options.broker;
    log.warn({ err: asError(error), queue: this.#options.queue }, "Kafka did not answer; trying again");
  }

  /** Keeps what stays its own, forgets what went away: its offsets are another's. */
  async #assigned(own: readonly Place[]): Promise<void> {
    const keys = new Set(own.map(placeKey));
    for (const key of this.#partitions.keys()) if (!keys.has(key)) this.#partitions.delete(key);
    const fresh = own.filter((place) => !this.#partitions.has(placeKey(place)));
    if (fresh.length === 0 || this.#stopped) return;
    for (const partition of await this.#load(fresh)) {
      const key = placeKey({ topic: partition.topic, partition: partition.number });
      const still = this.#options.group.own.some((place) => placeKey(place) === key);
      if (still && !this.#partitions.has(key)) this.#partitions.set(key, partition);
    }
    this.#pump();
  }

  /** Where each partition goes on, and from where its keys must be read again. */
  async #load(places: readonly Place[]): Promise<Partition[]> {
    const { group, library, queue, broker } = this.#options;
    const { EARLIEST } = library.ListOffsetTimestamps;
    const topics = [...new Set(places.map(({ topic }) => topic))];
    const since = BigInt(Math.max(0, broker.clock.now() - broker.dedupeWindowMs));
    const [committed, earliest, window] = await Promise.all([
      group.committed(places),
      group.consumer.listOffsets({ topics, timestamp: EARLIEST }),
      group.consumer.listOffsets({ topics, timestamp: since }),
    ]);
    return places.map((place) => {
      const { topic, partition: number } = place;
      const first = earliest.get(topic)?.[number] ?? 0n;
      const { offset = first, started = 0 } = committed.get(placeKey(place)) ?? {};
      const at = offset < first ? first : offset;
      const dedupes = topic === workTopic(queue);
      const seenFrom = window.get(topic)?.[number] ?? -1n;
      const position = dedupes && seenFrom >= 0n && seenFrom < at ? seenFrom : at;
      return new Partition({ topic, number, dedupes }, { committed: at, started, position }, broker.dedupeWindowMs);
    });
  }

  async #fetchOn(): Promise<void> {
    const { clock } = this.#options.broker;
    while (!this.#stopped) {
      try {
        if (await this.#fetch()) continue;
        await clock.sleep(kafkaIdleMs, this.#stop.signal).catch(() => undefined);
      } catch (error) {
        if (has(error, "OFFSET_OUT_OF_RANGE")) await this.#reload().catch((failed: unknown) => this.#troubled(failed));
        else this.#troubled(error);
        await clock.sleep(kafkaFetchMs, this.#stop.signal).catch(() => undefined);
      }
    }
  }

  /** What it meant to fetch was trimmed, by a member that had the partition meanwhile: the committed offsets say where to go on. */
  async #reload(): Promise<void> {
    for (const [key, { busy }] of this.#partitions) if (!busy) this.#partitions.delete(key);
    await this.#assigned(this.#options.group.own);
  }

  /** @returns false when there was nothing to ask for. */
  async #fetch(): Promise<boolean> {
    const { fetcher, topics } = this.#options.group;
    const wanting = [...this.#partitions.values()].filter(({ buffer }) => buffer.length < kafkaBufferMax);
    if (wanting.length === 0) return false;
    const metadata = await fetcher.metadata({ topics: [...topics] });
    const byLeader = Map.groupBy(
      wanting,
      ({ topic, number }) => metadata.topics.get(topic)?.partitions[number]?.leader ?? -1,
    );
    await Promise.all(
      [...byLeader].map(async ([node, partitions]) => {
        const ids = new Map(topics.map((topic) => [metadata.topics.get(topic)?.id ?? "", topic]));
        const asked = [...ids].map(([topicId, topic]) => ({
          topicId,
          partitions: partitions.filter((partition) => partition.topic === topic).map(fetchOf),
        }));
        const { responses } = await fetcher.fetch({
          ...{ node, topics: asked.filter((topic) => topic.partitions.length > 0) },
          ...{ minBytes: 1, maxBytes: kafkaFetchBytesMax, maxWaitTime: kafkaFetchMs, isolationLevel: 1 },
        });
        for (const { topicId, partitions: answered } of responses)
          for (const answer of answered) this.#take(ids.get(topicId) ?? "", answer);
      }),
    );
    this.#pump();
    return true;
  }

  #take(topic: string, { partitionIndex, records }: FetchedPartition): void {
    const partition = this.#partitions.get(placeKey({ topic, partition: partitionIndex }));
    if (partition === undefined) return;
    for (const batch of records ?? [])
      for (const { offsetDelta, timestampDelta, key, value, headers } of batch.records)
        partition.admit({
          offset: batch.firstOffset + BigInt(offsetDelta),
          storedMs: Number(batch.firstTimestamp + timestampDelta),
          key: key === null ? undefined : key.toString(),
          value: value ?? Buffer.alloc(0),
          headers: headersOf(headers),
        });
  }

  #pump(): void {
    const { prefetch, broker } = this.#options;
    for (const partition of this.#partitions.values()) {
      if (this.#stopped || this.#out >= prefetch) return;
      if (partition.busy) continue;
      const [entry] = partition.buffer;
      if (entry === undefined) void this.#passOver(partition);
      else {
        const waitMs = Number(entry.headers[header.notBefore] ?? 0) - broker.clock.now();
        if (waitMs > 0) this.#later(partition, waitMs);
        else void this.#deliver(partition, entry).catch((error: unknown) => this.#troubled(error));
      }
    }
  }

  #later(partition: Partition, waitMs: number): void {
    partition.busy = true;
    this.#options.broker.clock.timer(
      waitMs,
      () => {
        partition.busy = false;
        this.#pump();
      },
      { background: true },
    );
  }

  /** Duplicates at the end are done, too. */
  async #passOver(partition: Partition): Promise<void> {
    const through = partition.settledThrough;
    if (through === partition.committed) return;
    partition.busy = true;
    await this.#commit(partition, through, 0).finally(() => (partition.busy = false));
    if (partition.buffer.length > 0) this.#pump();
  }

  async #commit(partition: Partition, offset: bigint, started: number): Promise<boolean> {
    const { topic, number } = partition;
    const done = await this.#options.group.commit({ topic, partition: number }, offset, started);
    if (done) {
      partition.committed = offset;
      partition.started = started;
      this.#trim(partition);
    }
    return done;
  }

  /** Kafka keeps everything until told: what is done, and whose keys are out of the window, is deleted now and then. */
  #trim(partition: Partition): void {
    if (++this.#commits % kafkaTrimEvery !== 0) return;
    const { topic: name, number, trimmable } = partition;
    const trim = async (): Promise<void> => {
      const { admin } = await this.#options.link.clients();
      await admin.deleteRecords({ topics: [{ name, partitions: [{ partition: number, offset: trimmable }] }] });
    };
    trim().catch((error: unknown) => this.#troubled(error));
  }

  async #deliver(partition: Partition, entry: Entry): Promise<void> {
    partition.busy = true;
    this.#out++;
    const count = partition.countOf(entry);
    const started = entry.offset === partition.committed ? partition.started : 0;
    // Known before the handler starts: a message that kills its pod is known by it.
    if (!(await this.#commit(partition, entry.offset, started + 1)) || this.#stopped) {
      if (this.#stopped) await this.#commit(partition, entry.offset, started);
      this.#free(partition);
      return;
    }
    const content = contentOf(entry.headers);
    const done = (): Promise<boolean> => this.#commit(partition, entry.offset + 1n, 0);
    const settle = this.#settler(partition, entry);
    const delivery: Delivery = {
      id: entry.headers[header.id] ?? `${partition.number}:${entry.offset}`,
      ...{ key: entry.key, trace: entry.headers[header.trace], content, count },
      body: content === contentType.none ? undefined : entry.value,
      publishedMs: Number(entry.headers[header.published] ?? entry.storedMs),
      ack: () => settle(done, true),
      retry: (delayMs) => settle(async () => (await this.#again(entry, count, delayMs)) && done(), true),
      release: () => settle(() => this.#commit(partition, entry.offset, started), false),
      deadLetter: (reason) => settle(async () => (await this.#bury(entry, count, reason)) && done(), true),
    };
    this.#options.deliver(delivery);
  }

  /** Once for each delivery. What could not be settled is delivered again by whoever has the partition. */
  #settler(partition: Partition, entry: Entry): (how: () => Promise<boolean>, finished: boolean) => Promise<boolean> {
    let settled = false;
    return async (how, finished) => {
      if (settled || this.#left !== undefined) return false;
      settled = true;
      const ok = await how().catch((error: unknown) => {
        this.#troubled(error);
        return false;
      });
      if (ok && finished && partition.buffer[0] === entry) partition.buffer.shift();
      this.#free(partition);
      return ok;
    };
  }

  #free(partition: Partition): void {
    partition.busy = false;
    this.#out--;
    if (this.#stopped && this.#out === 0) void this.end();
    else this.#pump();
  }

  /** First the copy is stored, then the message is done: in between it is in both places, never in none. */
  async #again({ key, value, headers }: Entry, count: number, delayMs: number): Promise<boolean> {
    const { link, queue, broker } = this.#options;
    const notBefore = String(Math.ceil(broker.clock.now() + delayMs));
    const more = { [header.count]: String(count), [header.notBefore]: notBefore };
    await link.produce({ topic: retryTopic(queue), key, body: value, headers: { ...headers, ...more } });
    return true;
  }

  async #bury({ key, value, headers }: Entry, count: number, { code, message }: DeadReason): Promise<boolean> {
    const { link, queue, broker } = this.#options;
    const died = String(broker.clock.now());
    const why = { [header.count]: String(count), [header.code]: code, [header.reason]: message, [header.died]: died };
    await link.produce({ topic: deadTopic(queue), key, body: value, headers: { ...headers, ...why } });
    return true;
  }
}

type FetchedPartition = Awaited<ReturnType<KafkaGroup["fetcher"]["fetch"]>>["responses"][number]["partitions"][number];

function fetchOf({ number, position }: Partition): {
  partition: number;
  currentLeaderEpoch: number;
  fetchOffset: bigint;
  lastFetchedEpoch: number;
  partitionMaxBytes: number;
} {
  const epochs = { currentLeaderEpoch: -1, lastFetchedEpoch: -1 };
  return { partition: number, ...epochs, fetchOffset: position, partitionMaxBytes: kafkaFetchBytesMax };
}
