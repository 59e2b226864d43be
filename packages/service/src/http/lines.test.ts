// Lines cut from bytes that come in any pieces.
import fc from "fast-check";
import { expect, test } from "vitest";
import { LineSplitter } from "./lines.ts";

/** The bytes in pieces that end at these places. */
function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}

test("any split of the bytes gives the same lines, the last with or without its newline", () => {
  const line = fc.string({ unit: "grapheme", maxLength: 20 }).map((text) => text.replaceAll("\n", " "));
  const property = fc.property(fc.array(line), line, fc.array(fc.nat(), { maxLength: 30 }), (whole, rest, cuts) => {
    const splitter = new LineSplitter(1000);
    const bytes = Buffer.from(whole.map((text) => `${text}\n`).join("") + rest);
    const got = pieces(bytes, cuts).flatMap((piece) => [...splitter.push(piece)].map(String));
    const last = splitter.end();
    expect([...got, ...(last === undefined ? [] : [String(last)])]).toEqual([...whole, ...(rest === "" ? [] : [rest])]);
    expect([splitter.count, splitter.heldBytes]).toEqual([whole.length + (rest === "" ? 0 : 1), 0]);
  });
  fc.assert(property);
});

test("a line of the longest length passes, one byte more does not, in whatever pieces", () => {
  const property = fc.property(fc.array(fc.nat(), { maxLength: 8 }), (cuts) => {
    const fits = new LineSplitter(8);
    expect(pieces(Buffer.from("12345678\n"), cuts).flatMap((piece) => [...fits.push(piece)])).toHaveLength(1);
    const tooLong = new LineSplitter(8);
    const feed = (): unknown => pieces(Buffer.from("1\n123456789"), cuts).flatMap((piece) => [...tooLong.push(piece)]);
    expect(feed).toThrow(RangeError);
    expect(tooLong.count).toBe(1);
    expect(tooLong.heldBytes).toBeLessThanOrEqual(8);
  });
  fc.assert(property);
});
