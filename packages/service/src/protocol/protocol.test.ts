// Header frames and bodies come back as they went; what is garbage is refused and never thrown at.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ServiceError } from "../errors.ts";
import { textBytesMax } from "../limits.ts";
import { contentType, magic, type MessageType, messageType } from "./codes.ts";
import { decodeContent, encodeContent } from "./content.ts";
import { decode, encode, isProtocolFrame, passingHeader, uint32Of } from "./frames.ts";

const textsOf: Record<number, number> = { 1: 1, 2: 2, 3: 3, 5: 1, 8: 2, 12: 3, 17: 1, 18: 1, 19: 1, 20: 1 };
const withBody = new Set<number>([
  ...[messageType.welcome, messageType.request, messageType.reply, messageType.error],
  ...[messageType.open, messageType.item, messageType.event],
]);
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const text = fc.string({ unit: "grapheme", maxLength: 60 }).filter((value) => Buffer.byteLength(value) <= textBytesMax);

describe("header frames", () => {
  test("come back as they went, whatever they hold", () => {
    const message = fc.constantFrom(...Object.values(messageType)).chain((type) =>
      fc.record({
        type: fc.constant<MessageType>(type),
        mark: fc.integer({ min: 0, max: 255 }),
        id: uint32,
        number: uint32,
        texts: fc.array(text, { minLength: textsOf[type] ?? 0, maxLength: textsOf[type] ?? 0 }),
        body: withBody.has(type) ? fc.option(fc.uint8Array(), { nil: undefined }) : fc.constant(undefined),
      }),
    );
    fc.assert(
      fc.property(message, ({ type, body, ...fields }) => {
        const decoded = decode(encode(type, { ...fields, content: contentType.json }, body));
        const content = body === undefined ? contentType.none : contentType.json;
        expect(decoded).toEqual({ header: { type, content, ...fields }, body });
      }),
    );
  });

  test("are refused, never thrown at, when they are garbage behind the magic", () => {
    const garbage = fc.uint8Array({ maxLength: 80 }).map((rest) => Uint8Array.from([...magic, ...rest]));
    fc.assert(
      fc.property(garbage, fc.array(fc.uint8Array({ maxLength: 10 }), { maxLength: 3 }), (first, rest) => {
        expect(isProtocolFrame(first)).toBe(true);
        const decoded = decode([first, ...rest]);
        if (typeof decoded === "string") return;
        const { type, ...fields } = decoded.header;
        expect(decode(encode(type, fields, decoded.body))).toEqual(decoded);
      }),
      { numRuns: 2000 },
    );
  });

  test("say any time and any count as far as they can, and never another one: what is too much is the most, what is none is 0", () => {
    const anything = fc.oneof(
      fc.double(),
      fc.integer(),
      fc.constantFrom(NaN, Infinity, -Infinity, 2 ** 32 - 1, 2 ** 32, -0),
    );
    fc.assert(
      fc.property(anything, (given) => {
        const sent = uint32Of(given);
        const decoded = decode(encode(messageType.goaway, { number: sent }));
        const told = typeof decoded === "string" ? decoded : decoded.header.number;
        expect(told).toBe(sent);
        if (!(given > 0)) expect(told).toBe(0);
        else if (given > 2 ** 32 - 1) expect(told).toBe(2 ** 32 - 1);
        else expect(told).toBe(Math.ceil(given));
      }),
    );
  });

  test("cut anywhere are malformed", () => {
    const [frame = new Uint8Array()] = encode(messageType.request, {
      id: 1,
      number: 5,
      texts: ["echo", "key", "trace"],
    });
    for (let length = 0; length < frame.length; length++) expect(decode([frame.subarray(0, length)])).toBe("malformed");
  });

  test("of another version are told apart from garbage", () => {
    const [frame = new Uint8Array()] = encode(messageType.hello, { texts: ["me"] });
    frame[4] = 2;
    expect(decode([frame])).toBe("version");
  });

  test("that pass are the same bytes, where the one before was", () => {
    const texts = ["échó", "", "x".repeat(255), "é".repeat(120)];
    const [kept = new Uint8Array()] = encode(messageType.request, { id: 7, number: 9, mark: 1, texts });
    const passing = passingHeader(messageType.request, 1, 7, 9, texts, contentType.none);
    expect(passing).toEqual(kept);
    expect(passingHeader(messageType.reply, 0, 8, 0, [], contentType.json).buffer).toBe(passing.buffer);
    expect(kept.buffer).not.toBe(passing.buffer);
  });

  test("refuse a text that does not fit its length byte", () => {
    expect(() => encode(messageType.hello, { texts: ["x".repeat(256)] })).toThrow(/at most 255 bytes, got 256/);
  });
});

describe("bodies", () => {
  test("JSON values and bytes come back as they went", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const { content, body } = encodeContent(value);
        expect(decodeContent(content, body)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
    const { content, body } = encodeContent(Uint8Array.of(1, 0, 255));
    expect(decodeContent(content, body)).toEqual(Buffer.from([1, 0, 255]));
    expect(encodeContent(undefined).body).toBeUndefined();
  });

  test("bytes go out as they are, without a copy; those that came in are one, safe to keep", () => {
    const bytes = Uint8Array.of(1, 2, 3);
    expect(encodeContent(bytes).body).toBe(bytes);
    const kept = decodeContent(contentType.bytes, bytes);
    bytes.fill(0);
    expect(kept).toEqual(Buffer.from([1, 2, 3]));
  });

  test("what is no JSON is INVALID, what cannot be JSON is the sender's bug", () => {
    expect(() => decodeContent(contentType.json, Buffer.from("{no"))).toThrow(ServiceError);
    expect(() => encodeContent(1n)).toThrow(TypeError);
    expect(() => encodeContent(() => 1)).toThrow(/expected a JSON value, bytes or undefined, got a function/);
  });
});
