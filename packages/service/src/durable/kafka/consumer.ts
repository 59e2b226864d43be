// A pod's consumer of one queue in Kafka: fetches its partitions, hands out one message of each at a time, and commits before and
// after: before, that it is begun; after, that it is done.
import { brokerReconnectMaxMs, kafkaBufferMax, kafkaFetchMs, kafkaIdleMs, kafkaTrimEvery } from "../../limits.ts";
import { deadHeaders, header, messageOf } from "../headers.ts";
import type { Presence } from "../presence.ts";
import type { BrokerConsumer, BrokerOptions, ConsumeOptions, DeadReason, Delivery } from "../types.ts";
import { type KafkaGroup, placeKey, type Place } from "./group.ts";
import { fetchInto } from "./fetch.ts";
import { has, type KafkaLink } from "./link.ts";
import { deadTopic, kafkaHeader, retryTopic } from "./names.ts";
import type { Entry, Partition } from "./partition.ts";
import { partitionsOf } from "./resume.ts";

export interface KafkaConsumerOptions extends ConsumeOptions {
  readonly queue: string;
  readonly link: KafkaLink;
  readonly group: KafkaGroup;
  readonly broker: BrokerOptions;
  readonly presence: Presence;
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

  /** Tried again; while Kafka does not answer, the log says so once. */
  #troubled(error: unknown): void {
    if (!this.#stopped) this.#options.presence.away(error);
  }

  /** Keeps what stays its own, forgets what went away: its offsets are another's. */
  async #assigned(own: readonly Place[]): Promise<void> {
    const keys = new Set(own.map(placeKey));
    for (const key of this.#partitions.keys()) if (!keys.has(key)) this.#partitions.delete(key);
    const fresh = own.filter((place) => !this.#partitions.has(placeKey(place)));
    if (fresh.length === 0 || this.#stopped) return;
    const { group, queue, broker } = this.#options;
    for (const partition of await partitionsOf(fresh, group, queue, broker)) {
      const key = placeKey({ topic: partition.topic, partition: partition.number });
      const still = group.own.some((place) => placeKey(place) === key);
      if (still && !this.#partitions.has(key)) this.#partitions.set(key, partition);
    }
    this.#pump();
  }

  async #fetchOn(): Promise<void> {
    const { broker, presence } = this.#options;
    const pause = (ms: number): Promise<void> => broker.clock.sleep(ms, this.#stop.signal).catch(() => undefined);
    for (let pauseMs = kafkaFetchMs; !this.#stopped; ) {
      try {
        const asked = await this.#fetch();
        presence.back();
        pauseMs = kafkaFetchMs;
        if (!asked) await pause(kafkaIdleMs);
      } catch (error) {
        if (has(error, "OFFSET_OUT_OF_RANGE")) await this.#reload().catch((failed: unknown) => this.#troubled(failed));
        else this.#troubled(error);
        await pause(pauseMs);
        pauseMs = Math.min(brokerReconnectMaxMs, pauseMs * 2);
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
    await fetchInto(fetcher, topics, wanting);
    this.#pump();
    return true;
  }

  #pump(): void {
    const { prefetch, broker } = this.#options;
    for (const partition of this.#partitions.values()) {
      if (this.#stopped || this.#out >= prefetch) return;
      if (partition.busy) continue;
      const [entry] = partition.buffer;
      if (entry === undefined) void this.#passOver(partition);
      else {
        const waitMs = Number(entry.headers[kafkaHeader.notBefore] ?? 0) - broker.clock.now();
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
    const done = (): Promise<boolean> => this.#commit(partition, entry.offset + 1n, 0);
    const settle = this.#settler(partition, entry);
    const delivery: Delivery = {
      ...messageOf(entry.headers, entry.value),
      ...{ id: entry.headers[kafkaHeader.id] ?? `${partition.number}:${entry.offset}`, key: entry.key, count },
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
    const more = { [header.count]: String(count), [kafkaHeader.notBefore]: notBefore };
    await link.produce({ topic: retryTopic(queue), key, body: value, headers: { ...headers, ...more } });
    return true;
  }

  async #bury({ key, value, headers }: Entry, count: number, reason: DeadReason): Promise<boolean> {
    const { link, queue, broker } = this.#options;
    const id = { [kafkaHeader.id]: headers[kafkaHeader.id] };
    const why = { ...id, ...deadHeaders(headers, reason, count, broker.clock.now()) };
    await link.produce({ topic: deadTopic(queue), key, body: value, headers: why });
    return true;
  }
}
