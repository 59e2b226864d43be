// What the double answers to requests about records: one version of each, by its layout in https://kafka.apache.org/protocol. For tests only.
import { errorCode, type Log } from "./log.ts";
import { type Broker, leaderEpoch } from "./types.ts";
import type { WireReader, WireWriter } from "./wire.ts";

export function produce(broker: Broker, reader: WireReader, writer: WireWriter): void {
  reader.nullableText();
  reader.int16();
  reader.int32();
  const topics = reader.array(() => {
    const name = reader.text();
    const partitions = reader.array(() => {
      const [index, records] = [reader.int32(), reader.bytes() ?? Buffer.alloc(0)];
      reader.tags();
      const log = broker.topics.byName.get(name)?.partitions[index];
      const done = log?.append(records) ?? { error: errorCode.unknownTopicOrPartition, base: -1n };
      return { index, ...done, start: log?.start ?? -1n };
    });
    reader.tags();
    return { name, partitions };
  });
  broker.appended();
  writer.array(topics, ({ name, partitions }) => {
    writer.text(name).array(partitions, ({ index, error, base, start }) => {
      writer.int32(index).int16(error).int64(base).int64(-1n).int64(start);
      writer
        .array([], () => undefined)
        .text(null)
        .tags();
    });
    writer.tags();
  });
  writer.int32(0).tags();
}

interface Asked {
  readonly partition: number;
  readonly offset: bigint;
  readonly epoch: number;
  readonly bytesMax: number;
}

interface Found {
  readonly partition: number;
  readonly error: number;
  readonly log: Log | undefined;
  readonly records: Buffer;
}

export async function fetch(broker: Broker, reader: WireReader, writer: WireWriter): Promise<void> {
  reader.int32();
  const [waitMs, bytesMin] = [reader.int32(), reader.int32()];
  reader.raw(4 + 1 + 4 + 4);
  const asked = reader.array(() => {
    const id = reader.uuid();
    const partitions = reader.array((): Asked => {
      const [partition, epoch, offset] = [reader.int32(), reader.int32(), reader.int64()];
      reader.raw(4 + 8);
      const bytesMax = reader.int32();
      reader.tags();
      return { partition, epoch, offset, bytesMax };
    });
    reader.tags();
    return { id, partitions };
  });
  const look = (): { id: string; partitions: Found[] }[] =>
    asked.map(({ id, partitions }) => ({ id, partitions: partitions.map((one) => find(broker, id, one)) }));
  const untilMs = broker.clock.monotonic() + waitMs;
  let found = look();
  while (broker.clock.monotonic() < untilMs && isEmpty(found, bytesMin)) {
    await broker.nextAppend(Math.max(1, untilMs - broker.clock.monotonic()));
    found = look();
  }
  writer.int32(0).int16(0).int32(0);
  writer.array(found, ({ id, partitions }) => {
    writer.uuid(id).array(partitions, ({ partition, error, log, records }) => {
      const end = log?.end ?? -1n;
      writer
        .int32(partition)
        .int16(error)
        .int64(end)
        .int64(end)
        .int64(log?.start ?? -1n);
      writer
        .array([], () => undefined)
        .int32(-1)
        .bytes(records)
        .tags();
    });
    writer.tags();
  });
  writer.tags();
}

function find(broker: Broker, id: string, { partition, offset, epoch, bytesMax }: Asked): Found {
  const nothing = Buffer.alloc(0);
  const log = broker.topics.byId.get(id)?.partitions[partition];
  if (log === undefined) return { partition, error: errorCode.unknownTopicId, log, records: nothing };
  if (epoch > leaderEpoch) return { partition, error: errorCode.unknownLeaderEpoch, log, records: nothing };
  const records = log.read(offset, bytesMax);
  const error = records === undefined ? errorCode.offsetOutOfRange : errorCode.none;
  return { partition, error, log, records: records ?? nothing };
}

function isEmpty(found: readonly { readonly partitions: readonly Found[] }[], bytesMin: number): boolean {
  const all = found.flatMap(({ partitions }) => partitions);
  const bytes = all.reduce((sum, { records }) => sum + records.length, 0);
  return bytes < Math.max(1, bytesMin) && all.every(({ error }) => error === 0);
}

export function listOffsets(broker: Broker, reader: WireReader, writer: WireWriter): void {
  reader.int32();
  reader.int8();
  const topics = reader.array(() => {
    const name = reader.text();
    const partitions = reader.array(() => {
      const partition = reader.int32();
      reader.int32();
      const timestamp = reader.int64();
      reader.tags();
      const found = broker.topics.byName.get(name)?.partitions[partition]?.offsetOf(timestamp);
      return { partition, found };
    });
    reader.tags();
    return { name, partitions };
  });
  writer.int32(0).array(topics, ({ name, partitions }) => {
    writer.text(name).array(partitions, ({ partition, found }) => {
      writer.int32(partition).int16(found === undefined ? errorCode.unknownTopicOrPartition : 0);
      writer
        .int64(found?.timestamp ?? -1n)
        .int64(found?.offset ?? -1n)
        .int32(leaderEpoch)
        .tags();
    });
    writer.tags();
  });
  writer.tags();
}
