// An encoded message is the message, and copies only what is small.
import "../leftovers.suite.ts";
import fc from "fast-check";
import { expect, it } from "vitest";
import { limits } from "../limits.ts";
import type { Message } from "../types.ts";
import { Decoder } from "./decoder.ts";
import { EncodedMessage } from "./encoded.ts";
import { longHeaderBytes } from "./frame.ts";

const decoderLimits = { messageBytesMax: 1e9, messageFramesMax: 1e6 };

it("is the message, whatever the number and sizes of its frames; only large bodies are not copied", () => {
  const size = fc.oneof(
    fc.constantFrom(0, 1, 255, 256, limits.copyBytesMax - 9, limits.copyBytesMax, limits.copyBytesMax + 1),
    fc.nat(20_000),
  );
  fc.assert(
    fc.property(fc.array(size, { minLength: 1, maxLength: 12 }), fc.boolean(), (sizes, withText) => {
      const frames: (string | Uint8Array)[] = sizes.map((bytes, index) => new Uint8Array(bytes).fill(index + 1));
      if (withText) frames.push("größer");
      const { parts } = new EncodedMessage(frames);
      const decoder = new Decoder(decoderLimits, () => undefined);
      decoder.messagesAllowed = true;
      // Copies, for the decoder keeps views of what it is given.
      expect(decoder.push(Buffer.concat(parts))).toBeUndefined();
      const decoded: Message[] = decoder.take();
      expect(decoded.length).toBe(1);
      const expected = frames.map((frame) => Buffer.from(frame as string));
      expect(decoded[0]?.map((frame) => Buffer.from(frame).equals(expected.shift() ?? Buffer.alloc(0)))).toEqual(
        frames.map(() => true),
      );
      for (const part of parts)
        if (part.length > limits.copyBytesMax + longHeaderBytes) expect(frames.includes(part)).toBe(true);
    }),
  );
});
