// When a peer's output is written: at the end of the tick, and before it where the tick is long.
import "../leftovers.suite.ts";
import { Writable } from "node:stream";
import { expect, it } from "vitest";
import { limits } from "../limits.ts";
import { Flusher } from "./flusher.ts";
import { Tally } from "./tally.ts";
import { Writer } from "./writer.ts";

interface Output {
  /** Lets a millisecond pass within the tick. */
  readonly pass: () => void;
  readonly writer: Writer;
  /** Bytes of each write so far. */
  readonly writes: number[];
}

/** @param hold the kernel takes nothing until the test's end. */
function output(hold = false): Output {
  let nowMs = 0;
  const clock = { monotonic: (): number => nowMs };
  const writes: number[] = [];
  const socket = new Writable({
    write(chunk: Buffer, _encoding, done) {
      writes.push(chunk.length);
      if (!hold) done();
    },
  });
  const nothing = (): void => undefined;
  const tally = new Tally({ sendQueueMessagesMax: 1_000, sendQueueBytesMax: 1_000_000 }, nothing, nothing);
  const most = { messagesMax: 1_000, bytesMax: 1_000_000 };
  return { pass: () => (nowMs += 1), writer: new Writer(socket, new Flusher(clock), most, tally, nothing), writes };
}

/** Of one message. */
const frameBytes = 3;
const send = (writer: Writer, count: number): void => {
  for (let n = 0; n < count; n++) writer.single("x");
};
const endOfTick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it("what one short tick sends is one write, however much it is", async () => {
  const { writer, writes } = output();
  send(writer, 100);
  expect(writes).toEqual([]);
  await endOfTick();
  expect(writes).toEqual([100 * frameBytes]);
});

it("a long tick's messages are written before its end, and the rest at its end", async () => {
  const { pass, writer, writes } = output();
  send(writer, limits.messagesPerLook - 1);
  pass();
  expect(writes).toEqual([]);
  send(writer, 2);
  expect(writes).toEqual([limits.messagesPerLook * frameBytes]);
  // The time begins anew with each write.
  send(writer, limits.messagesPerLook);
  expect(writes).toHaveLength(1);
  await endOfTick();
  expect(writes).toEqual([limits.messagesPerLook * frameBytes, (limits.messagesPerLook + 1) * frameBytes]);
  expect(writer.queuedMessages).toBe(0);
});

it("never more than one write is with the kernel, however long the tick is", async () => {
  const { pass, writer, writes } = output(true);
  for (let n = 0; n < 10; n++) {
    pass();
    send(writer, limits.messagesPerLook);
  }
  await endOfTick();
  expect(writes).toHaveLength(1);
  expect(writer.queuedMessages).toBe(10 * limits.messagesPerLook);
});
