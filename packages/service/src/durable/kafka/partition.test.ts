// A partition's state, and how partitions are shared out: pure, so checked with whatever fast-check thinks of.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Place, placeKey, share } from "./group.ts";
import { header } from "../headers.ts";
import { kafkaHeader, parseKafkaUrl } from "./names.ts";
import { type Entry, Partition } from "./partition.ts";

const entry = (offset: number, key?: string, storedMs = 0, headers = {}): Entry => ({
  ...{ offset: BigInt(offset), storedMs, key, value: Buffer.alloc(0), headers },
});
const partition = (committed = 0, position = 0): Partition => {
  const state = { committed: BigInt(committed), started: 0, position: BigInt(position) };
  return new Partition({ topic: "t", number: 0, dedupes: true }, state, 1000);
};
const offsets = ({ buffer }: Partition): number[] => buffer.map(({ offset }) => Number(offset));

describe("a partition", () => {
  test("passes over a second message with a key, within the window and not after it, and whoever looks finds the same", () => {
    const messages = fc.array(fc.record({ key: fc.constantFrom("a", "b", undefined), pauseMs: fc.nat(700) }), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(messages, fc.nat(40), fc.nat(40), (given, split, committed) => {
        let atMs = 0;
        const all = given.map(({ key, pauseMs }, offset) => entry(offset, key, (atMs += pauseMs)));
        const whole = partition();
        for (const one of all) whole.admit(one);
        const first = new Map<string, number>();
        const expected = all.filter(({ key, storedMs }) => {
          if (key === undefined) return true;
          if (storedMs - (first.get(key) ?? -Infinity) < 1000) return false;
          first.set(key, storedMs);
          return true;
        });
        expect(offsets(whole)).toEqual(expected.map(({ offset }) => Number(offset)));
        // Another consumer, which reads the keys before the committed offset again, and is given some messages twice.
        const other = partition(committed);
        for (const one of [...all.slice(0, split), ...all]) other.admit(one);
        expect(offsets(other)).toEqual(offsets(whole).filter((offset) => offset >= committed));
      }),
    );
  });

  test("counts deliveries of this publish and of those before it", () => {
    const one = partition(5, 5);
    one.admit(entry(5, "a", 0, { [header.count]: "2" }));
    one.admit(entry(6));
    expect(one.buffer.map((waiting) => one.countOf(waiting))).toEqual([3, 1]);
    one.started = 3;
    expect(one.buffer.map((waiting) => one.countOf(waiting))).toEqual([6, 1]);
  });

  test("runs one that was driven back, though its key was seen", () => {
    const one = partition();
    for (const headers of [{}, {}, { [kafkaHeader.again]: "1" }])
      one.admit(entry(Number(one.position), "a", 0, headers));
    expect(offsets(one)).toEqual([0, 2]);
  });

  test("is done up to what waits, and keeps what its keys need", () => {
    const one = partition();
    one.admit(entry(0, "a"));
    one.admit(entry(1, "a"));
    expect([one.settledThrough, one.trimmable]).toEqual([0n, 0n]);
    one.buffer.shift();
    one.committed = 1n;
    expect([one.settledThrough, one.trimmable]).toEqual([2n, 0n]);
  });
});

describe("shares", () => {
  const hash = (bytes: Buffer): number => bytes.reduce((sum, byte) => (Math.imul(sum, 31) + byte) >>> 0, 7);
  const places = (count: number): Place[] =>
    Array.from({ length: count }, (_, index) => ({ topic: "t", partition: index }));

  test("are even, complete, and the same whoever computes them", () => {
    fc.assert(
      fc.property(fc.nat(40), fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 9 }), (count, members) => {
        const shares = share(places(count), members, hash);
        expect([...shares.values()].flat().map(placeKey).sort()).toEqual(places(count).map(placeKey).sort());
        for (const own of shares.values()) expect(own.length).toBeLessThanOrEqual(Math.ceil(count / members.length));
        const again = share(places(count), members.toReversed(), hash);
        for (const member of members) expect(again.get(member)).toEqual(shares.get(member));
      }),
    );
  });
});

test("a kafka:// URL says hosts, user and options", () => {
  expect(parseKafkaUrl("kafka://a:1")).toEqual({ bootstrapBrokers: ["a:1"], partitions: 6, tls: false });
  expect(parseKafkaUrl("kafka://u:p%40@a:1,b:2/?tls&mechanism=SCRAM-SHA-256&partitions=2")).toEqual({
    ...{ bootstrapBrokers: ["a:1", "b:2"], partitions: 2, tls: true },
    user: { mechanism: "SCRAM-SHA-256", username: "u", password: "p@" },
  });
  for (const url of ["kafka://", "kafka://a?partitions=0", "kafka://a?mechanism=GSSAPI", "kafka://a b"])
    expect(() => parseKafkaUrl(url), url).toThrow(/expected kafka:/);
});
