// Large bodies that are read straight to their place: the same messages come as from any other split of the stream, and no more memory is
// taken than the bytes that came deserve.
import "../leftovers.suite.ts";
import fc from "fast-check";
import { expect, it } from "vitest";
import { limits } from "../limits.ts";
import { Decoder, type DecoderLimits } from "./decoder.ts";
import { flagMore, longHeaderBytes, writeFrameHeader } from "./frame.ts";
import type { Problem } from "./problem.ts";

const roomy: DecoderLimits = { messageBytesMax: 10_000_000, messageFramesMax: 100 };

function header(flags: number, size: number): Buffer {
  const bytes = Buffer.alloc(longHeaderBytes);
  return bytes.subarray(0, writeFrameHeader(bytes, 0, flags, size));
}

/** A frame of that size whose bytes tell where they belong. */
function body(size: number, salt: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at + 4 <= size; at += 4) bytes.writeUInt32LE((at * 2_654_435_761 + salt) >>> 0, at);
  return bytes;
}

function stream(messages: readonly (readonly Uint8Array[])[]): Buffer {
  return Buffer.concat(
    messages.flatMap((frames) =>
      frames.flatMap((frame, index) => [header(index < frames.length - 1 ? flagMore : 0, frame.length), frame]),
    ),
  );
}

interface Decoded {
  readonly messages: readonly (readonly Uint8Array[])[];
  readonly problem: Problem | undefined;
  readonly placedBytes: number;
}

/** As a socket would: each read, of the given lengths in turn, goes to the decoder's place if it has one, else into a shared buffer. */
function read(bytes: Buffer, lengths: readonly number[], decoder: Decoder): Decoded {
  const shared = Buffer.alloc(limits.readBufferBytes);
  const messages: (readonly Uint8Array[])[] = [];
  let problem: Problem | undefined;
  let placedBytes = 0;
  for (let at = 0, turn = 0; at < bytes.length && problem === undefined; turn++) {
    const place = decoder.place();
    expect(place?.length).not.toBe(0);
    const target = place ?? shared;
    const length = Math.min(lengths[turn % lengths.length] ?? 1, target.length, bytes.length - at);
    bytes.copy(target, 0, at, at + length);
    at += length;
    if (place === undefined) {
      problem = decoder.pushBorrowed(shared.subarray(0, length));
      shared.fill(0xee, 0, length);
    } else {
      problem = decoder.placed(length);
      placedBytes += length;
    }
    messages.push(...decoder.take());
  }
  return { messages, problem, placedBytes };
}

function pushed(bytes: Buffer, decoder: Decoder): Decoded {
  const problem = decoder.push(bytes);
  return { messages: decoder.take(), problem, placedBytes: 0 };
}

function ready(decoderLimits: DecoderLimits, onHeld?: (bytes: number) => void): Decoder {
  const decoder = new Decoder(decoderLimits, () => undefined, onHeld);
  decoder.messagesAllowed = true;
  return decoder;
}

/** Comparing megabytes as arrays would take minutes. */
function expectSame(got: Decoded["messages"], wanted: Decoded["messages"]): void {
  expect(got.map((frames) => frames.map(({ length }) => length))).toEqual(
    wanted.map((frames) => frames.map(({ length }) => length)),
  );
  const equal = (a: Uint8Array, b: Uint8Array | undefined): boolean => b !== undefined && Buffer.compare(a, b) === 0;
  expect(got.every((frames, m) => frames.every((frame, f) => equal(frame, wanted[m]?.[f])))).toBe(true);
}

const least = limits.placedBytesMin;
const first = limits.bodyFirstBytes;
const size = fc.oneof(
  { weight: 2, arbitrary: fc.nat(600) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(8_192, 65_536, least - 1, least, least + 1, first, first + 1, first * 4 + 1),
  },
  { weight: 1, arbitrary: fc.integer({ min: least, max: 700_000 }) },
);
const messages = fc
  .array(fc.array(size, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 })
  .map((all) => all.map((sizes, m) => sizes.map((bytes, f) => body(bytes, m * 10 + f))));
/** What a socket's reads bring: few bytes, what a segment holds, or all there is room for. */
const lengths = fc.array(
  fc.oneof(fc.integer({ min: 1_000, max: 70_000 }), fc.constantFrom(65_483, 65_536, 400_000, 4_000_000)),
  { minLength: 1, maxLength: 8 },
);

it("whatever each read brings, the messages are those that were encoded", () => {
  fc.assert(
    fc.property(messages, lengths, (wanted, reads) => {
      const got = read(stream(wanted), reads, ready(roomy));
      expect(got.problem).toBeUndefined();
      expectSame(got.messages, wanted);
    }),
  );
});

it("frames too many, messages too large: the same problem after the same messages as with one chunk", () => {
  fc.assert(
    fc.property(messages, lengths, fc.integer({ min: least, max: 900_000 }), (some, reads, messageBytesMax) => {
      const tight = { messageBytesMax, messageFramesMax: 2 };
      const got = read(stream(some), reads, ready(tight));
      const wanted = pushed(stream(some), ready(tight));
      expect(got.problem).toEqual(wanted.problem);
      expectSame(got.messages, wanted.messages);
    }),
  );
});

it("a large body is read to its place but for what came with its header; a small one never", () => {
  // What the first read brings.
  const first = 10_000;
  const large = read(stream([[body(least, 1)]]), [first, limits.readBufferBytes], ready(roomy));
  expect(large.placedBytes).toBe(least + longHeaderBytes - first);
  const small = read(stream([[body(least - 1, 1)]]), [first, limits.readBufferBytes], ready(roomy));
  expect(small.placedBytes).toBe(0);
});

it("a length that is only announced takes no memory, and what is taken grows with what came, also after large messages", () => {
  const announced = 9_000_000;
  for (const before of [[], [body(3_000_000, 1)]]) {
    let held = 0;
    const decoder = ready(roomy, (bytes) => {
      held = bytes;
    });
    read(stream([before].filter(({ length }) => length > 0)), [limits.readBufferBytes], decoder);
    expect(held).toBe(0);
    decoder.pushBorrowed(header(0, announced));
    for (let came = 0; came < announced; ) {
      const place = decoder.place();
      expect(place?.length).toBeLessThanOrEqual(limits.placedReadBytesMax);
      expect(held).toBe(decoder.heldBytes);
      const unasked = before.length > 0 ? limits.bodyProvenBytesMax : limits.bodyFirstBytes;
      expect(held).toBeLessThanOrEqual(Math.min(announced, Math.max(unasked, came * 4)));
      const length = Math.min(50_000, place?.length ?? 0);
      decoder.placed(length);
      came += length;
    }
    expect(held).toBe(0);
    expect(decoder.take().map(([frame]) => frame?.length)).toEqual([announced]);
  }
});

it("a body that is given up is not written to again", () => {
  const decoder = ready(roomy);
  decoder.pushBorrowed(header(0, 1_000_000));
  expect(decoder.place()?.length).toBe(limits.bodyFirstBytes);
  decoder.stop();
  expect(decoder.place()).toBeUndefined();
  expect(decoder.placed(1_000)).toMatchObject({ reason: "closed-here" });
  expect(decoder.heldBytes).toBe(0);
});
