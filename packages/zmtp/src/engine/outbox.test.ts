// What is queued goes out in order, in batches of a good size, and a large body never waits for a write of its own.
import "../leftovers.suite.ts";
import fc from "fast-check";
import { VirtualClock } from "@wherry/core/testing";
import { expect, it } from "vitest";
import { limits } from "../limits.ts";
import { longHeaderBytes, writeFrameHeader } from "../wire/frame.ts";
import { Flusher } from "./flusher.ts";
import { Outbox } from "./outbox.ts";
import { Tally } from "./tally.ts";

function outbox(): { queue: Outbox; tally: Tally } {
  const nothing = (): void => undefined;
  const tally = new Tally({ sendQueueMessagesMax: 1_000, sendQueueBytesMax: 100_000_000 }, nothing, nothing);
  const owner = { onFull: nothing, onBroken: nothing };
  const queue = new Outbox(
    new Flusher(new VirtualClock()),
    { messagesMax: 1_000, bytesMax: 100_000_000 },
    tally,
    owner,
  );
  return { queue, tally };
}

const most = limits.writeBytesMax;
const size = fc.oneof(
  { weight: 2, arbitrary: fc.nat(limits.copyBytesMax * 2) },
  { weight: 1, arbitrary: fc.integer({ min: most - 30, max: most + 30 }) },
);

it("batches are the stream, cut between frames and not before they are large enough; what is settled is not counted", () => {
  fc.assert(
    fc.property(fc.array(size, { maxLength: 12 }), (sizes) => {
      const { queue, tally } = outbox();
      const ends = new Set<number>();
      let streamBytes = 0;
      for (const bytes of sizes) {
        queue.frame(Buffer.alloc(bytes), 0);
        queue.ended();
        streamBytes = writeFrameHeader(Buffer.alloc(longHeaderBytes), 0, 0, bytes) + streamBytes + bytes;
        ends.add(streamBytes);
      }
      expect(queue).toMatchObject({ messages: sizes.length, bytes: streamBytes });
      let taken = 0;
      for (let batch = queue.take(); batch !== undefined; batch = queue.take()) {
        expect(batch.bytes).toBe(batch.chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0));
        taken += batch.bytes;
        if (batch.bytes > 0) expect(ends).toContain(taken);
        if (taken < streamBytes) expect(batch.bytes).toBeGreaterThanOrEqual(most);
        queue.settle(batch);
        expect(tally).toMatchObject({ messages: queue.messages, bytes: queue.bytes });
      }
      expect(taken).toBe(streamBytes);
      expect(queue).toMatchObject({ messages: 0, bytes: 0 });
    }),
  );
});
