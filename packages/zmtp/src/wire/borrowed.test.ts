// Chunks that are the caller's again after the decoder has looked at them: the same messages come, whatever becomes of the chunk.
import "../leftovers.suite.ts";
import fc from "fast-check";
import { expect, it } from "vitest";
import { Decoder, type DecoderLimits } from "./decoder.ts";
import { flagMore, longHeaderBytes, writeFrameHeader } from "./frame.ts";

const roomy: DecoderLimits = { messageBytesMax: 1_000_000, messageFramesMax: 100 };

function stream(messages: readonly (readonly Uint8Array[])[]): Buffer {
  const parts: Buffer[] = [];
  for (const frames of messages)
    for (const [index, frame] of frames.entries()) {
      const header = Buffer.alloc(longHeaderBytes);
      const end = writeFrameHeader(header, 0, index < frames.length - 1 ? flagMore : 0, frame.length);
      parts.push(header.subarray(0, end), Buffer.from(frame));
    }
  return Buffer.concat(parts);
}

/** Cuts at the given places; each piece is overwritten after it was pushed. */
function decode(bytes: Buffer, cuts: readonly number[], decoderLimits: DecoderLimits, borrowed: boolean) {
  const decoder = new Decoder(decoderLimits, () => undefined);
  decoder.messagesAllowed = true;
  const messages: (readonly Uint8Array[])[] = [];
  const shared = Buffer.alloc(bytes.length);
  let problem: unknown;
  const places = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  let at = 0;
  for (const end of places) {
    const piece = bytes.subarray(at, end);
    if (borrowed) {
      piece.copy(shared);
      problem = decoder.pushBorrowed(shared.subarray(0, piece.length));
      shared.fill(0xee);
    } else {
      problem = decoder.push(Buffer.from(piece));
    }
    messages.push(...decoder.take());
    at = end;
  }
  return { messages: messages.map((frames) => frames.map((frame) => Buffer.from(frame).toString("hex"))), problem };
}

const frame = fc.oneof(
  { weight: 4, arbitrary: fc.uint8Array({ maxLength: 20 }) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 250, maxLength: 700 }) },
);
const message = fc.array(frame, { minLength: 1, maxLength: 4 });
const cuts = fc.array(fc.nat(10_000), { maxLength: 12 });

it("borrowed chunks give the messages that were encoded, however the stream is split", () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 12 }), cuts, (messages, places) => {
      const { messages: got, problem } = decode(stream(messages), places, roomy, true);
      expect(problem).toBeUndefined();
      expect(got).toEqual(messages.map((frames) => frames.map((one) => Buffer.from(one).toString("hex"))));
    }),
  );
});

it("borrowed chunks meet the same problems at the same place as owned ones, with any bytes", () => {
  const tight: DecoderLimits = { messageBytesMax: 600, messageFramesMax: 3 };
  const bytes = fc.oneof(
    fc.array(message, { maxLength: 8 }).map(stream),
    fc.uint8Array({ maxLength: 300 }).map((some) => Buffer.from(some)),
  );
  fc.assert(
    fc.property(bytes, cuts, (some, places) => {
      expect(decode(some, places, tight, true)).toEqual(decode(some, places, tight, false));
    }),
  );
});

it("a body that fills many chunks is copied once, to its own place", () => {
  const body = Buffer.alloc(300_000, 7);
  const bytes = stream([[body], [Buffer.from("next")]]);
  const places = Array.from({ length: 40 }, (_, n) => n * 8_000);
  expect(decode(bytes, places, roomy, true).messages).toEqual([
    [body.toString("hex")],
    [Buffer.from("next").toString("hex")],
  ]);
});
