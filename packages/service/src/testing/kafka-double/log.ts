// Topics and their partitions' logs, as a Kafka broker keeps them: batches as their producers wrote them, checked as Kafka checks them
// (checksum, producer's epoch, sequence). In memory; for tests only.
import { randomBytes } from "node:crypto";

/** https://kafka.apache.org/protocol#protocol_error_codes */
export const errorCode = {
  none: 0,
  offsetOutOfRange: 1,
  corruptMessage: 2,
  unknownTopicOrPartition: 3,
  invalidTopic: 17,
  illegalGeneration: 22,
  inconsistentGroupProtocol: 23,
  unknownMember: 25,
  rebalanceInProgress: 27,
  topicExists: 36,
  invalidReplicationFactor: 38,
  outOfOrderSequence: 45,
  invalidProducerEpoch: 47,
  unknownLeaderEpoch: 75,
  memberIdRequired: 79,
  unknownTopicId: 100,
} as const;

interface Batch {
  readonly base: bigint;
  readonly last: bigint;
  readonly maxTimestamp: bigint;
  readonly firstTimestamp: bigint;
  readonly bytes: Buffer;
}

interface ProducerState {
  epoch: number;
  /** First and last sequence of its last batch, and the offset that it got. */
  first: number;
  last: number;
  base: bigint;
}

export interface Appended {
  readonly error: number;
  readonly base: bigint;
}

// The layout of a record batch, version 2: https://kafka.apache.org/documentation/#recordbatch
const at = {
  length: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastDelta: 23,
  first: 27,
  max: 35,
  producer: 43,
  epoch: 51,
  sequence: 53,
};
const headerBytes = 61;

export class Log {
  start = 0n;
  end = 0n;
  readonly #batches: Batch[] = [];
  readonly #producers: Map<bigint, ProducerState> = new Map();

  append(records: Buffer): Appended {
    const refuse = (error: number): Appended => ({ error, base: -1n });
    const whole = records.length > headerBytes && records.readInt32BE(at.length) === records.length - 12;
    if (!whole || records.readInt8(at.magic) !== 2) return refuse(errorCode.corruptMessage);
    if (records.readUInt32BE(at.crc) !== crc32c(records.subarray(at.attributes)))
      return refuse(errorCode.corruptMessage);
    const count = records.readInt32BE(at.lastDelta) + 1;
    const checked = this.#checkProducer(records, count);
    if (checked !== undefined) return checked;
    const base = this.end;
    // Kafka too gives the batch its place and epoch: both lie before what the checksum covers.
    const bytes = Buffer.from(records);
    bytes.writeBigInt64BE(base, 0);
    bytes.writeInt32BE(0, at.leaderEpoch);
    this.#batches.push({
      ...{ base, last: base + BigInt(count - 1), bytes },
      ...{ firstTimestamp: bytes.readBigInt64BE(at.first), maxTimestamp: bytes.readBigInt64BE(at.max) },
    });
    this.end += BigInt(count);
    return { error: errorCode.none, base };
  }

  /** @returns undefined when it is to be appended. */
  #checkProducer(records: Buffer, count: number): Appended | undefined {
    const producer = records.readBigInt64BE(at.producer);
    if (producer < 0n) return undefined;
    const [epoch, first] = [records.readInt16BE(at.epoch), records.readInt32BE(at.sequence)];
    const known = this.#producers.get(producer);
    if (known !== undefined && epoch < known.epoch) return { error: errorCode.invalidProducerEpoch, base: -1n };
    const fresh = known === undefined || epoch > known.epoch;
    if (!fresh && first === known.first && first + count - 1 === known.last)
      return { error: errorCode.none, base: known.base };
    if (first !== (fresh ? 0 : known.last + 1)) return { error: errorCode.outOfOrderSequence, base: -1n };
    this.#producers.set(producer, { epoch, first, last: first + count - 1, base: this.end });
    return undefined;
  }

  /** Whole batches from the one with `offset` on; undefined when it is out of range. */
  read(offset: bigint, bytesMax: number): Buffer | undefined {
    if (offset < this.start || offset > this.end) return undefined;
    const found: Buffer[] = [];
    let bytes = 0;
    for (const batch of this.#batches) {
      if (batch.last < offset) continue;
      if (found.length > 0 && bytes + batch.bytes.length > bytesMax) break;
      found.push(batch.bytes);
      bytes += batch.bytes.length;
    }
    return Buffer.concat(found);
  }

  /** The first offset at or after a time; -2 asks for the start, -1 for the end. */
  offsetOf(timestamp: bigint): { readonly offset: bigint; readonly timestamp: bigint } {
    if (timestamp === -1n) return { offset: this.end, timestamp: -1n };
    if (timestamp === -2n) return { offset: this.start, timestamp: -1n };
    const batch = this.#batches.find(({ maxTimestamp, last }) => maxTimestamp >= timestamp && last >= this.start);
    return batch === undefined
      ? { offset: -1n, timestamp: -1n }
      : { offset: batch.base, timestamp: batch.firstTimestamp };
  }

  /** @returns false when the offset is out of range. */
  deleteBefore(offset: bigint): boolean {
    const before = offset === -1n ? this.end : offset;
    if (before < this.start || before > this.end) return false;
    this.start = before;
    while ((this.#batches[0]?.last ?? before) < before) this.#batches.shift();
    return true;
  }
}

export interface Topic {
  readonly id: string;
  readonly name: string;
  readonly partitions: readonly Log[];
}

export class Topics {
  readonly byName: Map<string, Topic> = new Map();
  readonly byId: Map<string, Topic> = new Map();

  create(name: string, partitions: number, replicas: number): number {
    if (!/^[A-Za-z0-9._-]{1,249}$/.test(name)) return errorCode.invalidTopic;
    if (this.byName.has(name)) return errorCode.topicExists;
    if (replicas !== -1 && replicas !== 1) return errorCode.invalidReplicationFactor;
    const logs = Array.from({ length: partitions === -1 ? 1 : partitions }, () => new Log());
    const topic = { id: randomBytes(16).toString("hex"), name, partitions: logs };
    this.byName.set(name, topic);
    this.byId.set(topic.id, topic);
    return errorCode.none;
  }
}

/** Castagnoli's polynomial, reflected. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

export function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (table[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
