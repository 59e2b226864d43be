// The lines of a watch are found however the network cuts them, and none is endless.
import fc from "fast-check";
import { expect, test } from "vitest";
import { LineSplitter } from "./json-lines.ts";

test("finds the same lines however the bytes are cut", () => {
  const text = fc
    .array(fc.string({ unit: "binary" }).map((line) => line.replace(/[\n\r]/g, "x")))
    .map((lines) => lines.join("\n"));
  fc.assert(
    fc.property(text, fc.array(fc.nat()), (joined, cuts) => {
      const bytes = Buffer.from(`${joined}\n`);
      const splitter = new LineSplitter(1 << 20);
      const found: string[] = [];
      let start = 0;
      for (const end of [...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length]) {
        found.push(...splitter.push(bytes.subarray(start, end)));
        start = end;
      }
      expect(found).toEqual(
        bytes
          .toString("utf8")
          .split("\n")
          .filter((line) => line.trim() !== ""),
      );
      expect(splitter.unfinished).toBe(false);
    }),
  );
});

test("refuses a line above the limit, also before its end has come", () => {
  const splitter = new LineSplitter(10);
  expect(splitter.push(Buffer.from("0123456789\n0123"))).toEqual(["0123456789"]);
  expect(splitter.unfinished).toBe(true);
  expect(() => splitter.push(Buffer.from("4567890"))).toThrow(/at most 10 bytes/);
});
