// A member of a queue's consumer group: joins, learns which partitions are its own, reads and commits offsets with their metadata. The
// library does the heartbeats and joins again by itself.
import type { EventEmitter } from "node:events";
import type { API, Consumer } from "@platformatic/kafka";
import { brokerConfirmMs, kafkaHeartbeatMs, kafkaRebalanceMs, kafkaSessionMs } from "../../limits.ts";
import type { BrokerOptions } from "../types.ts";
import { has, type KafkaLink, type Library } from "./link.ts";
import { groupOf, retryTopic, workTopic } from "./names.ts";

export interface Place {
  readonly topic: string;
  readonly partition: number;
}

export interface Committed {
  /** Undefined: nothing was committed yet. */
  readonly offset: bigint | undefined;
  readonly started: number;
}

type CommitApi = API<[string, number, string, string | null, CommitTopic[]], unknown>;
interface CommitTopic {
  readonly name: string;
  readonly partitions: {
    readonly partitionIndex: number;
    readonly committedOffset: bigint;
    readonly committedLeaderEpoch: number;
    readonly committedMetadata: string;
  }[];
}

export class KafkaGroup {
  readonly consumer: Consumer;
  /** Fetches, on connections of its own: Kafka answers those of a connection in order, and commits would wait for each fetch. */
  readonly fetcher: Consumer;
  readonly topics: readonly string[];
  readonly library: Library;
  readonly #queue: string;
  readonly #link: KafkaLink;
  readonly #clock: BrokerOptions["clock"];

  constructor(library: Library, link: KafkaLink, queue: string, { clock }: BrokerOptions) {
    this.library = library;
    this.#link = link;
    this.#queue = queue;
    this.#clock = clock;
    this.topics = [workTopic(queue), retryTopic(queue)];
    this.consumer = new library.Consumer({
      ...{ ...link.common, groupId: groupOf(queue), autocommit: false },
      ...{ sessionTimeout: kafkaSessionMs, rebalanceTimeout: kafkaRebalanceMs, heartbeatInterval: kafkaHeartbeatMs },
      partitionAssigner: (_current, members, topics, metadata) => {
        const places = [...topics].toSorted().flatMap((topic) => {
          const count = metadata.topics.get(topic)?.partitionsCount ?? 0;
          return Array.from({ length: count }, (_, partition) => ({ topic, partition }));
        });
        const shares = share(places, [...members.keys()], library.murmur2);
        return [...shares].map(([memberId, own]) => ({ memberId, assignments: byTopic(own) }));
      },
    });
    this.fetcher = new library.Consumer({ ...link.common, groupId: groupOf(queue), autocommit: false });
    this.fetcher.topics.trackAll(...this.topics);
    // What fails is told to those who ask; a listener keeps it from ending the process.
    for (const client of [this.consumer, this.fetcher]) (client as EventEmitter).on("error", () => undefined);
  }

  /** @param changed called at the first join and at every later one. */
  async join(changed: (own: readonly Place[]) => void): Promise<void> {
    this.consumer.topics.trackAll(...this.topics);
    this.consumer.on("consumer:group:join", () => changed(this.own));
    await this.consumer.joinGroup({});
  }

  get own(): readonly Place[] {
    return (this.consumer.assignments ?? []).flatMap(({ topic, partitions }) =>
      partitions.map((partition) => ({ topic, partition })),
    );
  }

  async committed(places: readonly Place[]): Promise<Map<string, Committed>> {
    const { admin } = await this.#link.clients();
    const topics = this.topics.map((name) => ({
      name,
      partitionIndexes: places.filter(({ topic }) => topic === name).map(({ partition }) => partition),
    }));
    const asked = topics.filter(({ partitionIndexes }) => partitionIndexes.length > 0);
    const [group] = await admin.listConsumerGroupOffsets({
      groups: [{ groupId: groupOf(this.#queue), topics: asked }],
    });
    const found = (group?.topics ?? []).flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, committedOffset, metadata }): [string, Committed] => [
        placeKey({ topic: name, partition: partitionIndex }),
        { offset: committedOffset < 0n ? undefined : committedOffset, started: Number(metadata) || 0 },
      ]),
    );
    return new Map(found);
  }

  /** @returns false when the partition is not this member's any more. */
  async commit(place: Place, offset: bigint, started: number): Promise<boolean> {
    const untilMs = this.#clock.monotonic() + brokerConfirmMs;
    while (this.own.some((own) => placeKey(own) === placeKey(place))) {
      try {
        await this.#commit(place, offset, started);
        return true;
      } catch (error) {
        // The group is being shared out anew: who is its owner after that may commit.
        const passing = [
          "REBALANCE_IN_PROGRESS",
          "ILLEGAL_GENERATION",
          "UNKNOWN_MEMBER_ID",
          "COORDINATOR_LOAD_IN_PROGRESS",
        ];
        if (!passing.some((code) => has(error, code)) || this.#clock.monotonic() > untilMs) return false;
        await this.#clock.sleep(20);
      }
    }
    return false;
  }

  async #commit({ topic, partition }: Place, offset: bigint, started: number): Promise<void> {
    const library = this.library;
    const { consumer } = this;
    const coordinator = await consumer.findGroupCoordinator();
    const { brokers } = await consumer.metadata({ topics: [...this.topics] });
    const broker = brokers.get(coordinator);
    if (broker === undefined) throw new Error(`Kafka's coordinator ${coordinator} is not among its brokers`);
    const connection = await called<Parameters<CommitApi["async"]>[0]>((done) =>
      consumer[library.kGetConnection](broker, done),
    );
    const api = await called<CommitApi>((done) => consumer[library.kGetApi]("OffsetCommit", done));
    const partitions = [
      {
        partitionIndex: partition,
        committedOffset: offset,
        committedLeaderEpoch: -1,
        committedMetadata: String(started),
      },
    ];
    const { groupId, generationId, memberId } = consumer;
    await api.async(connection, groupId, generationId, memberId ?? "", null, [{ name: topic, partitions }]);
  }

  /** Leaves the group, so that its partitions go to others at once. */
  async leave(): Promise<void> {
    await Promise.allSettled([this.consumer.close(true), this.fetcher.close(true)]);
  }
}

export function placeKey({ topic, partition }: Place): string {
  return `${topic}:${partition}`;
}

function called<T>(call: (done: (error: Error | null, value?: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) =>
      error === null && value !== undefined ? resolve(value) : reject(error ?? new Error("no answer")),
    );
  });
}

/**
 * Shares partitions out evenly, so that few of them move when a member comes or goes: each goes to the member that its hash likes best
 * among those that have room.
 */
export function share(
  places: readonly Place[],
  members: readonly string[],
  hash: (bytes: Buffer) => number,
): Map<string, Place[]> {
  const shares = new Map<string, Place[]>(members.map((member) => [member, []]));
  const most = Math.ceil(places.length / Math.max(1, members.length));
  for (const place of places) {
    const liked = members
      .map((member) => ({ member, liking: hash(Buffer.from(`${member} ${placeKey(place)}`)) >>> 0 }))
      .toSorted((a, b) => b.liking - a.liking || (a.member < b.member ? -1 : 1));
    const chosen = liked.find(({ member }) => (shares.get(member)?.length ?? most) < most);
    if (chosen !== undefined) shares.get(chosen.member)?.push(place);
  }
  return shares;
}

function byTopic(places: readonly Place[]): Map<string, { topic: string; partitions: number[] }> {
  const topics = new Map<string, { topic: string; partitions: number[] }>();
  for (const { topic, partition } of places) {
    const own = topics.get(topic) ?? { topic, partitions: [] };
    own.partitions.push(partition);
    topics.set(topic, own);
  }
  return topics;
}
