// What the double answers to requests about itself and its topics: one version of each, by its layout in https://kafka.apache.org/protocol. For tests only. And the table of all.
import { errorCode } from "./log.ts";
import {
  findCoordinator,
  heartbeat,
  joinGroup,
  leaveGroup,
  offsetCommit,
  offsetFetch,
  syncGroup,
} from "./group-requests.ts";
import { fetch, listOffsets, produce } from "./record-requests.ts";
import { type Broker, type Handler, leaderEpoch, node } from "./types.ts";
import type { WireReader, WireWriter } from "./wire.ts";

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
