// What the writer does with a mechanism that seals frames, and with one that cannot.
import "../leftovers.suite.ts";
import { PassThrough } from "node:stream";
import { VirtualClock } from "@wherry/core/testing";
import { expect, it } from "vitest";
import { flagCommand, flagMore } from "../wire/frame.ts";
import { EncodedMessage } from "../wire/encoded.ts";
import { encodeCommand } from "../wire/command.ts";
import type { FrameSeal } from "../mechanism/mechanism.ts";
import { Flusher } from "./flusher.ts";
import { Tally } from "./tally.ts";
import { Writer } from "./writer.ts";

/** One byte before each body: the flags. */
const mark: FrameSeal = {
  overheadBytes: 1,
  openedFlags: 0,
  seal: (flags, body, target, at) => {
    if (body.length === 13) throw new Error("no memory");
    target[at] = 0x40 | flags;
    target.set(body, at + 1);
  },
  open: (sealed) => sealed,
};

function writer(): { socket: PassThrough; output: Writer; written: () => string } {
  const socket = new PassThrough();
  const nothing = (): void => undefined;
  socket.on("error", nothing);
  const limit = { messagesMax: 100, bytesMax: 1_000_000 };
  const tally = new Tally({ sendQueueMessagesMax: 100, sendQueueBytesMax: 1_000_000 }, nothing, nothing);
  const output = new Writer(socket, new Flusher(new VirtualClock()), limit, tally, nothing);
  output.sealWith(mark);
  const written = (): string => {
    output.flush();
    return (socket.read() as Buffer | null)?.toString("latin1") ?? "";
  };
  return { socket, output, written };
}

it("messages, texts, commands and shared encodings are all sealed, with their flags within", () => {
  const { output, written } = writer();
  output.message(["a", Buffer.from("b")], 0);
  expect(written()).toBe(`\x00\x02${String.fromCharCode(0x40 | flagMore)}a\x00\x02@b`);
  output.leading([Buffer.from("l")]);
  output.single("x".repeat(300));
  expect(written()).toBe(`\x00\x02${String.fromCharCode(0x40 | flagMore)}l\x02\0\0\0\0\0\0\x01\x2d@${"x".repeat(300)}`);
  output.encoded(new EncodedMessage(["p", "q"]));
  expect(written()).toBe(`\x00\x02${String.fromCharCode(0x40 | flagMore)}p\x00\x02@q`);
  output.command(encodeCommand("PING", Buffer.alloc(2)));
  expect(written()).toBe(`\x00\x08${String.fromCharCode(0x40 | flagCommand)}\x04PING\0\0`);
  output.command(encodeCommand("SUBSCRIBE", Buffer.alloc(300, "t")));
  expect(written().slice(9)).toBe(`${String.fromCharCode(0x40 | flagCommand)}\x09SUBSCRIBE${"t".repeat(300)}`);
});

it("a frame that cannot be sealed ends the connection: the frames before it must not be joined to the next message", () => {
  const { socket, output } = writer();
  expect(() => output.message(["first", "x".repeat(13)], 0)).toThrow("no memory");
  expect(socket.destroyed).toBe(true);
});
