// MessagePack as its specification says, and what is written is read back as it was.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EventTime, packed } from "./msgpack.ts";
import { unpack } from "./unpack.ts";

/** Type bytes and lengths as the specification's diagrams have them: https://github.com/msgpack/msgpack/blob/master/spec.md */
const vectors: readonly [unknown, string][] = [
  [null, "c0"],
  [false, "c2"],
  [true, "c3"],
  [0, "00"],
  [127, "7f"],
  [128, "cc80"],
  [255, "ccff"],
  [256, "cd0100"],
  [65_535, "cdffff"],
  [65_536, "ce00010000"],
  [4_294_967_295, "ceffffffff"],
  [4_294_967_296, "cf0000000100000000"],
  [Number.MAX_SAFE_INTEGER, "cf001fffffffffffff"],
  [-1, "ff"],
  [-32, "e0"],
  [-33, "d0df"],
  [-128, "d080"],
  [-129, "d1ff7f"],
  [-32_768, "d18000"],
  [-32_769, "d2ffff7fff"],
  [-2_147_483_648, "d280000000"],
  [-2_147_483_649, "d3ffffffff7fffffff"],
  [1.5, "cb3ff8000000000000"],
  [-0, "cb8000000000000000"],
  ["", "a0"],
  ["abc", "a3616263"],
  ["é", "a2c3a9"],
  ["a".repeat(31), `bf${"61".repeat(31)}`],
  ["a".repeat(32), `d920${"61".repeat(32)}`],
  ["a".repeat(256), `da0100${"61".repeat(256)}`],
  ["a".repeat(65_536), `db00010000${"61".repeat(65_536)}`],
  [Buffer.from([1, 2]), "c4020102"],
  [Buffer.alloc(256), `c50100${"00".repeat(256)}`],
  [[1, [2]], "92019102"],
  [Array.from({ length: 16 }, () => 0), `dc0010${"00".repeat(16)}`],
  [{ a: 1, b: undefined, c: () => 1 }, "81a16101"],
  [
    Object.fromEntries(Array.from({ length: 16 }, (_, index) => [String.fromCharCode(97 + index), 0])),
    /^de0010a16100/ as never,
  ],
  // Seconds and nanoseconds in a fixext 8 of type 0.
  [new EventTime(1_500_000_000_250), "d7005968 2f000ee6b280".replaceAll(" ", "")],
];

describe("MessagePack", () => {
  test.each(vectors)("of %j is as the specification says", (value, hex) => {
    const written = packed(value).toString("hex");
    expect(written).toEqual(typeof hex === "string" ? hex : expect.stringMatching(hex));
  });

  test("of anything that JSON holds is read back as it was", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        expect(unpack(packed(value))).toEqual(value);
      }),
    );
  });

  test("of a large value is whole", () => {
    const value = { texts: Array.from({ length: 70_000 }, (_, index) => `text ${index}`) };
    expect(unpack(packed(value))).toEqual(value);
  });
});
