// One round of fetches: of each partition's leader, what follows each partition's position.
import { kafkaFetchBytesMax, kafkaFetchMs } from "../../limits.ts";
import type { KafkaGroup } from "./group.ts";
import { textsOf } from "./names.ts";
import type { Partition } from "./partition.ts";

type Fetcher = KafkaGroup["fetcher"];
type Answer = Awaited<ReturnType<Fetcher["fetch"]>>["responses"][number]["partitions"][number];

/** Resolves when every leader has answered, and each partition has admitted what is its own. */
export async function fetchInto(
  fetcher: Fetcher,
  topics: readonly string[],
  partitions: readonly Partition[],
): Promise<void> {
  const metadata = await fetcher.metadata({ topics: [...topics] });
  const byLeader = Map.groupBy(
    partitions,
    ({ topic, number }) => metadata.topics.get(topic)?.partitions[number]?.leader ?? -1,
  );
  await Promise.all(
    [...byLeader].map(async ([node, led]) => {
      const ids = new Map(topics.map((topic) => [metadata.topics.get(topic)?.id ?? "", topic]));
      const asked = [...ids].map(([topicId, topic]) => ({
        topicId,
        partitions: led.filter((partition) => partition.topic === topic).map(placeOf),
      }));
      const { responses } = await fetcher.fetch({
        ...{ node, topics: asked.filter((topic) => topic.partitions.length > 0) },
        ...{ minBytes: 1, maxBytes: kafkaFetchBytesMax, maxWaitTime: kafkaFetchMs, isolationLevel: 1 },
      });
      for (const { topicId, partitions: answers } of responses)
        for (const answer of answers) {
          const number = answer.partitionIndex;
          const topic = ids.get(topicId);
          const partition = led.find((each) => each.topic === topic && each.number === number);
          if (partition !== undefined) admit(partition, answer);
        }
    }),
  );
}

function admit(partition: Partition, { records }: Answer): void {
  for (const batch of records ?? [])
    for (const { offsetDelta, timestampDelta, key, value, headers } of batch.records)
      partition.admit({
        offset: batch.firstOffset + BigInt(offsetDelta),
        storedMs: Number(batch.firstTimestamp + timestampDelta),
        key: key === null ? undefined : key.toString(),
        value: value ?? Buffer.alloc(0),
        headers: textsOf(headers),
      });
}

function placeOf({ number, position }: Partition): {
  partition: number;
  currentLeaderEpoch: number;
  fetchOffset: bigint;
  lastFetchedEpoch: number;
  partitionMaxBytes: number;
} {
  const epochs = { currentLeaderEpoch: -1, lastFetchedEpoch: -1 };
  return { partition: number, ...epochs, fetchOffset: position, partitionMaxBytes: kafkaFetchBytesMax };
}
