// The state in which a pod takes over partitions: where each goes on, and from where its keys must be read again.
import type { BrokerOptions } from "../types.ts";
import { type KafkaGroup, placeKey, type Place } from "./group.ts";
import { workTopic } from "./names.ts";
import { Partition } from "./partition.ts";

export async function partitionsOf(
  places: readonly Place[],
  group: KafkaGroup,
  queue: string,
  { clock, dedupeWindowMs }: BrokerOptions,
): Promise<Partition[]> {
  const topics = [...new Set(places.map(({ topic }) => topic))];
  const since = BigInt(Math.max(0, clock.now() - dedupeWindowMs));
  const [committed, earliest, window] = await Promise.all([
    group.committed(places),
    group.consumer.listOffsets({ topics, timestamp: group.library.ListOffsetTimestamps.EARLIEST }),
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
    return new Partition({ topic, number, dedupes }, { committed: at, started, position }, dedupeWindowMs);
  });
}
