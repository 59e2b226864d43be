// What the double answers to each request: one version of each, by its layout in https://kafka.apache.org/protocol. For tests only.
import type { Clock } from "@wherry/core";
import type { Group } from "./group.ts";
import { errorCode, type Log, type Topics } from "./log.ts";
import type { WireReader, WireWriter } from "./wire.ts";

/** What a request may ask of the double. */
export interface Broker {
  readonly topics: Topics;
  readonly clock: Clock;
  readonly host: string;
  readonly port: number;
  nextProducerId: bigint;
  group(id: string): Group;
  appended(): void;
  nextAppend(limitMs: number): Promise<void>;
}

interface Handler {
  readonly version: number;
  readonly answer: (broker: Broker, reader: WireReader, writer: WireWriter) => void | Promise<void>;
}

const node = 1;
const leaderEpoch = 0;

function produce(broker: Broker, reader: WireReader, writer: WireWriter): void {
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

async function fetch(broker: Broker, reader: WireReader, writer: WireWriter): Promise<void> {
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

function listOffsets(broker: Broker, reader: WireReader, writer: WireWriter): void {
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

function metadata(broker: Broker, reader: WireReader, writer: WireWriter): void {
  const names = reader.nullableArray(() => {
    const [id, name] = [reader.uuid(), reader.nullableText()];
    reader.tags();
    return name ?? broker.topics.byId.get(id)?.name ?? "";
  });
  writer.int32(0).array([node], (id) => writer.int32(id).text(broker.host).int32(broker.port).text(null).tags());
  writer.text("double").int32(node);
  writer.array(names ?? [...broker.topics.byName.keys()], (name) => {
    const topic = broker.topics.byName.get(name);
    writer.int16(topic === undefined ? errorCode.unknownTopicOrPartition : 0).text(name);
    writer.uuid(topic?.id ?? "0".repeat(32)).boolean(false);
    writer.array([...(topic?.partitions ?? []).keys()], (index) => {
      writer.int16(0).int32(index).int32(node).int32(leaderEpoch);
      for (const nodes of [[node], [node], []]) writer.array(nodes, (id) => writer.int32(id));
      writer.tags();
    });
    writer.int32(-2147483648).tags();
  });
  writer.tags();
}

function offsetCommit(broker: Broker, reader: WireReader, writer: WireWriter): void {
  const group = broker.group(reader.text());
  const [generation, member] = [reader.int32(), reader.text()];
  reader.nullableText();
  const error = group.mayCommit(member, generation);
  const topics = reader.array(() => {
    const name = reader.text();
    const partitions = reader.array(() => {
      const partition = reader.int32();
      const [offset, epoch, text] = [reader.int64(), reader.int32(), reader.nullableText()];
      reader.tags();
      if (error === 0) group.offsets.set(`${name}:${partition}`, { offset, leaderEpoch: epoch, metadata: text });
      return partition;
    });
    reader.tags();
    return { name, partitions };
  });
  writer.int32(0).array(topics, ({ name, partitions }) => {
    writer.text(name).array(partitions, (partition) => writer.int32(partition).int16(error).tags());
    writer.tags();
  });
  writer.tags();
}

function offsetFetch(broker: Broker, reader: WireReader, writer: WireWriter): void {
  const groups = reader.array(() => {
    const id = reader.text();
    const topics = reader.nullableArray(() => {
      const asked = { name: reader.text(), partitions: reader.array(() => reader.int32()) };
      reader.tags();
      return asked;
    });
    reader.tags();
    return { id, topics };
  });
  writer.int32(0).array(groups, ({ id, topics }) => {
    const { offsets } = broker.group(id);
    writer.text(id).array(topics ?? [], ({ name, partitions }) => {
      writer.text(name).array(partitions, (partition) => {
        const found = offsets.get(`${name}:${partition}`);
        writer
          .int32(partition)
          .int64(found?.offset ?? -1n)
          .int32(found?.leaderEpoch ?? -1);
        writer
          .text(found?.metadata ?? "")
          .int16(0)
          .tags();
      });
      writer.tags();
    });
    writer.int16(0).tags();
  });
  writer.tags();
}

function findCoordinator(broker: Broker, reader: WireReader, writer: WireWriter): void {
  reader.int8();
  const keys = reader.array(() => reader.text());
  writer.int32(0).array(keys, (key) => {
    writer.text(key).int32(node).text(broker.host).int32(broker.port).int16(0).text(null).tags();
  });
  writer.tags();
}

async function joinGroup(broker: Broker, reader: WireReader, writer: WireWriter): Promise<void> {
  const group = broker.group(reader.text());
  const [sessionMs, rebalanceMs, memberId] = [reader.int32(), reader.int32(), reader.text()];
  reader.nullableText();
  const type = reader.text();
  const protocols = reader.array(() => {
    const protocol = { name: reader.text(), metadata: Buffer.from(reader.bytes() ?? []) };
    reader.tags();
    return protocol;
  });
  const joined = await group.join({ memberId, sessionMs, rebalanceMs, protocols });
  writer.int32(0).int16(joined.error).int32(joined.generation).text(type).text(joined.protocol).text(joined.leader);
  writer.boolean(false).text(joined.memberId);
  writer.array(joined.members, ({ id, metadata: bytes }) => writer.text(id).text(null).bytes(bytes).tags());
  writer.tags();
}

async function syncGroup(broker: Broker, reader: WireReader, writer: WireWriter): Promise<void> {
  const group = broker.group(reader.text());
  const [generation, memberId] = [reader.int32(), reader.text()];
  reader.nullableText();
  const [type, protocol] = [reader.nullableText(), reader.nullableText()];
  const assignments = reader.array((): [string, Buffer] => {
    const assignment: [string, Buffer] = [reader.text(), Buffer.from(reader.bytes() ?? [])];
    reader.tags();
    return assignment;
  });
  const { error, assignment } = await group.sync(memberId, generation, new Map(assignments));
  writer.int32(0).int16(error).text(type).text(protocol).bytes(assignment).tags();
}

function heartbeat(broker: Broker, reader: WireReader, writer: WireWriter): void {
  const group = broker.group(reader.text());
  const generation = reader.int32();
  writer.int32(0).int16(group.heartbeat(reader.text(), generation)).tags();
}

function leaveGroup(broker: Broker, reader: WireReader, writer: WireWriter): void {
  const group = broker.group(reader.text());
  const members = reader.array(() => {
    const id = reader.text();
    reader.nullableText();
    reader.nullableText();
    reader.tags();
    return { id, error: group.leave(id) };
  });
  writer
    .int32(0)
    .int16(0)
    .array(members, ({ id, error }) => writer.text(id).text(null).int16(error).tags());
  writer.tags();
}

function createTopics(broker: Broker, reader: WireReader, writer: WireWriter): void {
  const topics = reader.array(() => {
    const [name, partitions, replicas] = [reader.text(), reader.int32(), reader.int16()];
    reader.array(() => {
      reader.int32();
      reader.array(() => reader.int32());
      reader.tags();
    });
    reader.array(() => {
      reader.text();
      reader.nullableText();
      reader.tags();
    });
    reader.tags();
    return { name, partitions, replicas, error: broker.topics.create(name, partitions, replicas) };
  });
  writer.int32(0).array(topics, ({ name, partitions, replicas, error }) => {
    const id = broker.topics.byName.get(name)?.id ?? "0".repeat(32);
    writer.text(name).uuid(id).int16(error).text(null).int32(partitions).int16(replicas);
    writer.array([], () => undefined).tags();
  });
  writer.tags();
}

function deleteRecords(broker: Broker, reader: WireReader, writer: WireWriter): void {
  const topics = reader.array(() => {
    const name = reader.text();
    const partitions = reader.array(() => {
      const [partition, offset] = [reader.int32(), reader.int64()];
      reader.tags();
      const log = broker.topics.byName.get(name)?.partitions[partition];
      const done = log?.deleteBefore(offset);
      const error =
        done === undefined ? errorCode.unknownTopicOrPartition : done ? errorCode.none : errorCode.offsetOutOfRange;
      return { partition, error, start: log?.start ?? -1n };
    });
    reader.tags();
    return { name, partitions };
  });
  writer.int32(0).array(topics, ({ name, partitions }) => {
    writer.text(name).array(partitions, ({ partition, error, start }) => {
      writer.int32(partition).int64(start).int16(error).tags();
    });
    writer.tags();
  });
  writer.tags();
}

function initProducerId(broker: Broker, reader: WireReader, writer: WireWriter): void {
  if (reader.nullableText() !== null) throw new Error("the double has no transactions");
  writer
    .int32(0)
    .int16(0)
    .int64(broker.nextProducerId++)
    .int16(0)
    .tags();
}

/** By API key. */
export const handlers: ReadonlyMap<number, Handler> = new Map<number, Handler>([
  [0, { version: 9, answer: produce }],
  [1, { version: 13, answer: fetch }],
  [2, { version: 7, answer: listOffsets }],
  [3, { version: 12, answer: metadata }],
  [8, { version: 8, answer: offsetCommit }],
  [9, { version: 8, answer: offsetFetch }],
  [10, { version: 4, answer: findCoordinator }],
  [11, { version: 9, answer: joinGroup }],
  [12, { version: 4, answer: heartbeat }],
  [13, { version: 5, answer: leaveGroup }],
  [14, { version: 5, answer: syncGroup }],
  [19, { version: 7, answer: createTopics }],
  [21, { version: 2, answer: deleteRecords }],
  [22, { version: 4, answer: initProducerId }],
]);
