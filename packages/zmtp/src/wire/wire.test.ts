// The byte level: what any stream of bytes, split anywhere, turns into.
import "../leftovers.suite.ts";
import { Writable } from "node:stream";
import { VirtualClock } from "@wherry/core/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Flusher } from "../engine/flusher.ts";
import { Tally } from "../engine/tally.ts";
import { Writer } from "../engine/writer.ts";
import type { Message } from "../types.ts";
import {
  encodeCommand,
  encodePing,
  encodeReady,
  isProblem,
  parseCommand,
  parseMetadata,
  parsePing,
} from "./command.ts";
import { Decoder } from "./decoder.ts";
import { writeFrameHeader } from "./frame.ts";
import { checkGreeting, encodeGreeting, parseGreeting } from "./greeting.ts";

const generous = { messageBytesMax: 1 << 26, messageFramesMax: 10_000 };

function decoderFor(limits = generous): { decoder: Decoder; commands: string[] } {
  const commands: string[] = [];
  const decoder = new Decoder(limits, (body) => {
    const command = parseCommand(body);
    if (isProblem(command)) return command;
    commands.push(command.name);
    return undefined;
  });
  decoder.messagesAllowed = true;
  return { decoder, commands };
}

/** What the writer makes of the messages. */
async function encoded(messages: readonly (readonly (string | Uint8Array)[])[]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  const limits = { messagesMax: 1e6, bytesMax: 1e9 };
  const nothing = (): void => undefined;
  const tally = new Tally({ sendQueueMessagesMax: 1e6, sendQueueBytesMax: 1e9 }, nothing, nothing);
  const writer = new Writer(sink, new Flusher(new VirtualClock()), limits, tally, nothing);
  for (const message of messages) {
    if (message.length === 1 && message[0] !== undefined) writer.single(message[0]);
    else writer.message(message, 0);
  }
  await new Promise((resolve) => setImmediate(resolve));
  expect(writer.queuedMessages).toBe(0);
  expect(writer.messagesOut).toBe(messages.length);
  const bytes = Buffer.concat(chunks);
  expect(writer.bytesOut).toBe(bytes.length);
  return bytes;
}

function decodeSplit(bytes: Buffer, cuts: readonly number[]): Message[] {
  const { decoder } = decoderFor();
  const messages: Message[] = [];
  let from = 0;
  for (const cut of [...new Set(cuts.map((at) => at % (bytes.length + 1)))]
    .sort((a, b) => a - b)
    .concat(bytes.length)) {
    // A copy, as from the kernel: nothing may depend on what lies before or after a chunk.
    expect(decoder.push(Buffer.from(bytes.subarray(from, cut)))).toBeUndefined();
    from = cut;
    messages.push(...decoder.take());
  }
  expect(decoder.heldBytes).toBe(0);
  return messages;
}

const plain = (messages: readonly Message[]): number[][][] => messages.map((m) => m.map((frame) => [...frame]));

const frame = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.integer({ min: 250, max: 260 }).map((length) => new Uint8Array(length).fill(length)),
  fc.integer({ min: 8_180, max: 8_200 }).map((length) => new Uint8Array(length).fill(length)),
);
const message = fc.array(frame, { minLength: 1, maxLength: 4 });

describe("frames", () => {
  it("decode to what was encoded, however the stream is split", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(message, { maxLength: 12 }),
        fc.array(fc.nat(100_000), { maxLength: 12 }),
        async (messages, cuts) => {
          const bytes = await encoded(messages);
          expect(plain(decodeSplit(bytes, cuts))).toEqual(plain(messages));
        },
      ),
      { numRuns: 200 },
    );
  });

  it("decode alike when they come byte by byte", async () => {
    const messages = [[new Uint8Array(0)], [Uint8Array.of(1), new Uint8Array(0), new Uint8Array(300).fill(7)]];
    const bytes = await encoded(messages);
    expect(plain(decodeSplit(bytes, Array.from(bytes.keys())))).toEqual(messages.map((m) => m.map((f) => [...f])));
  });

  it("carry text as UTF-8, at every length where the encoding changes", async () => {
    const texts = [
      "",
      "x",
      "é".repeat(42),
      "é".repeat(43),
      "☃".repeat(85),
      "☃".repeat(86),
      "🛶".repeat(200),
      "z".repeat(9_000),
    ];
    const decoded = decodeSplit(await encoded(texts.map((t) => [t])), [5, 700, 8_000]);
    expect(decoded.map((m) => Buffer.from(m[0] ?? []).toString())).toEqual(texts);
  });

  it("may be a megabyte, and survive more output than one buffer holds", async () => {
    const big = new Uint8Array(1 << 20).map((_, index) => index * 7);
    const many = Array.from({ length: 3_000 }, (_, index) => [new Uint8Array(100).fill(index)]);
    const messages = [...many, [big], [big, new Uint8Array(0)], ...many];
    const decoded = decodeSplit(await encoded(messages), [10, 400_000, 1_000_000, 1_000_001]);
    expect(decoded.length).toBe(messages.length);
    expect(decoded.every((m, i) => m.every((f, j) => Buffer.compare(f, messages[i]?.[j] ?? big) === 0))).toBe(true);
  });

  it("are views of the chunk they came in, not copies", () => {
    const chunk = Buffer.from([0, 3, 1, 2, 3]);
    const { decoder } = decoderFor();
    decoder.push(chunk);
    expect(decoder.take()[0]?.[0]?.buffer).toBe(chunk.buffer);
  });
});

describe("no bytes whatever", () => {
  it("make the decoder throw, hang, or hold more than its limits", () => {
    const limits = { messageBytesMax: 1_000, messageFramesMax: 10 };
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 30 }), (chunks) => {
        const { decoder } = decoderFor(limits);
        for (const chunk of chunks) {
          decoder.push(Buffer.from(chunk));
          for (const m of decoder.take()) {
            expect(m.length).toBeLessThanOrEqual(limits.messageFramesMax);
            expect(m.reduce((sum, f) => sum + f.length, 0)).toBeLessThanOrEqual(limits.messageBytesMax);
          }
          expect(decoder.heldBytes).toBeLessThanOrEqual(66_000);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("that look like frames fare no better", () => {
    const headerish = fc.tuple(fc.constantFrom(0, 1, 2, 3, 4, 6, 5, 8, 255), fc.uint8Array({ maxLength: 12 }));
    fc.assert(
      fc.property(fc.array(headerish, { maxLength: 60 }), (parts) => {
        const { decoder } = decoderFor({ messageBytesMax: 1_000, messageFramesMax: 10 });
        const first = parts
          .map(([flags, rest]) => decoder.push(Buffer.from([flags, ...rest])))
          .find((p) => p !== undefined);
        if (first !== undefined) expect(decoder.push(Buffer.from([0, 0]))).toBe(first);
        expect(decoder.heldBytes).toBeLessThanOrEqual(66_000);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ["reserved bits", [0x08, 0], "protocol-error"],
    ["reserved bits, before the length has come", [0x80], "protocol-error"],
    ["a command with MORE", [0x05, 0], "protocol-error"],
    ["an empty command", [0x04, 0], "protocol-error"],
    ["a command whose name is longer than itself", [0x04, 2, 9, 65], "protocol-error"],
    ["a message of 2^63 bytes", [0x02, 0x80, 0, 0, 0, 0, 0, 0, 0], "frame-too-large"],
    ["a message of 2^32 bytes", [0x02, 0, 0, 0, 1, 0, 0, 0, 0], "frame-too-large"],
    ["a message just above the limit", [0x02, 0, 0, 0, 0, 4, 0, 0, 1], "frame-too-large"],
    ["a command of a gigabyte", [0x06, 0, 0, 0, 0, 64, 0, 0, 0], "frame-too-large"],
  ])("are taken for more than they are: %s", (_, bytes, reason) => {
    const { decoder } = decoderFor({ messageBytesMax: 1 << 26, messageFramesMax: 10 });
    expect(decoder.push(Buffer.from(bytes))?.reason).toBe(reason);
    expect(decoder.heldBytes).toBeLessThan(100);
  });

  it("get a buffer of the announced size before they have come", () => {
    const { decoder } = decoderFor();
    decoder.push(Buffer.from([0x02, 0, 0, 0, 0, 3, 0, 0, 0, 1]));
    expect(decoder.heldBytes).toBeLessThanOrEqual(262_144);
  });

  it("hide messages that came before the bad ones", () => {
    const { decoder } = decoderFor();
    expect(decoder.push(Buffer.from([0, 1, 65, 0xff, 0]))?.reason).toBe("protocol-error");
    expect(plain(decoder.take())).toEqual([[[65]]]);
  });

  it("make a message of endless empty frames", () => {
    const { decoder } = decoderFor({ messageBytesMax: 100, messageFramesMax: 10 });
    expect(decoder.push(Buffer.from(Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? 1 : 0))))?.reason).toBe(
      "frame-too-large",
    );
  });

  it("pass as a message before the handshake is done", () => {
    const { decoder } = decoderFor();
    decoder.messagesAllowed = false;
    expect(decoder.push(Buffer.from([0, 1, 65]))?.reason).toBe("protocol-error");
  });
});

describe("commands", () => {
  it("may come between the frames of a message", () => {
    const { decoder, commands } = decoderFor();
    decoder.push(Buffer.concat([Buffer.from([1, 1, 65]), encodePing(300), Buffer.from([0, 1, 66])]));
    expect(plain(decoder.take())).toEqual([[[65], [66]]]);
    expect(commands).toEqual(["PING"]);
  });

  it("keep metadata as it was, whatever its bytes and sizes", () => {
    const properties = fc.dictionary(
      fc.string({ minLength: 1, maxLength: 40, unit: "grapheme-ascii" }),
      fc.uint8Array({ maxLength: 400 }),
    );
    fc.assert(
      fc.property(properties, (values) => {
        const sent = new Map(Object.entries(values).map(([name, value]) => [name, Buffer.from(value)]));
        const { decoder } = decoderFor();
        let got: unknown;
        const reader = new Decoder(generous, (body) => {
          const command = parseCommand(body);
          if (!isProblem(command)) got = parseMetadata(command.data);
          return undefined;
        });
        reader.push(encodeReady(sent));
        expect(got).toEqual(sent);
        expect(decoder.heldBytes).toBe(0);
      }),
    );
  });

  it("with random data never throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const command = parseCommand(Buffer.from(bytes));
        if (isProblem(command)) return;
        parseMetadata(command.data);
        parsePing(command.data);
      }),
    );
  });

  it("PING names its time to live in tenths of a second, at most 16 bytes of context", () => {
    expect(parsePing(Buffer.from([0, 30, 1, 2]))).toEqual({ ttlMs: 3_000, context: Buffer.from([1, 2]) });
    expect(parsePing(Buffer.alloc(19))).toMatchObject({ reason: "protocol-error" });
    expect(parsePing(Buffer.alloc(1))).toMatchObject({ reason: "protocol-error" });
    expect(encodePing(3_000)).toEqual(encodeCommand("PING", Uint8Array.of(0, 30)));
  });
});

describe("the greeting", () => {
  it("is what it says", () => {
    const greeting = encodeGreeting("CURVE", true);
    expect(greeting.length).toBe(64);
    expect(parseGreeting(greeting)).toEqual({ major: 3, minor: 1, mechanism: "CURVE", asServer: true });
    for (let length = 0; length <= 64; length++) expect(checkGreeting(greeting.subarray(0, length))).toBeUndefined();
  });

  it.each([
    ["ZMTP 1.0", [1, 0], /1\.0/],
    ["ZMTP 1.0 with a long identity", [0xff, 0, 0, 0, 0, 0, 0, 0, 6, 0], /1\.0/],
    ["ZMTP 2.0", [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1], /2\.0/],
    ["HTTP", [...Buffer.from("GET / HTTP/1.1\r\n")], /foreign/],
  ])("of %s is refused by its first bytes", (_, bytes, detail) => {
    expect(checkGreeting(Uint8Array.from(bytes))).toMatchObject({
      reason: "protocol-error",
      detail: expect.stringMatching(detail),
    });
  });
});

it("a long header holds eight bytes of length", () => {
  const header = new Uint8Array(9);
  expect(writeFrameHeader(header, 0, 1, 2 ** 32 + 5)).toBe(9);
  expect([...header]).toEqual([3, 0, 0, 0, 1, 0, 0, 0, 5]);
});
