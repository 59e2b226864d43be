// What the double answers to requests of consumer groups: one version of each, by its layout in https://kafka.apache.org/protocol. For tests only.
import { type Broker, node } from "./types.ts";
import type { WireReader, WireWriter } from "./wire.ts";

export function offsetCommit(broker: Broker, reader: WireReader, writer: WireWriter): void {
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

export function offsetFetch(broker: Broker, reader: WireReader, writer: WireWriter): void {
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

export function findCoordinator(broker: Broker, reader: WireReader, writer: WireWriter): void {
  reader.int8();
  const keys = reader.array(() => reader.text());
  writer.int32(0).array(keys, (key) => {
    writer.text(key).int32(node).text(broker.host).int32(broker.port).int16(0).text(null).tags();
  });
  writer.tags();
}

export async function joinGroup(broker: Broker, reader: WireReader, writer: WireWriter): Promise<void> {
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

export async function syncGroup(broker: Broker, reader: WireReader, writer: WireWriter): Promise<void> {
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

export function heartbeat(broker: Broker, reader: WireReader, writer: WireWriter): void {
  const group = broker.group(reader.text());
  const generation = reader.int32();
  writer.int32(0).int16(group.heartbeat(reader.text(), generation)).tags();
}

export function leaveGroup(broker: Broker, reader: WireReader, writer: WireWriter): void {
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
