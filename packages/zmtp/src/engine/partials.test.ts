// Messages of which only a part has come: together they stay within the budget, and those that stalled make room.
import fc from "fast-check";
import { afterEach, expect, it } from "vitest";
import { echo, expectServed, RawPeer, text, until } from "../harness.suite.ts";
import { type AnySocket, dealer, type DropReason, router } from "../index.ts";
import { limits } from "../limits.ts";
import { Decoder } from "../wire/decoder.ts";
import { flagMore, longHeaderBytes, writeFrameHeader } from "../wire/frame.ts";
import { type Holder, Partials } from "./partials.ts";

const sockets: AnySocket[] = [];
const peers: RawPeer[] = [];

function keep<S extends AnySocket>(socket: S): S {
  sockets.push(socket);
  return socket;
}

afterEach(async () => {
  for (const peer of peers.splice(0)) peer.destroy();
  await Promise.all(sockets.splice(0).map((socket) => socket.close({ lingerMs: 50 })));
});

/** A frame's header, and as much of its body as is given. */
function begun(flags: number, size: number, bodyBytes: number): Buffer {
  const bytes = Buffer.alloc(longHeaderBytes + bodyBytes, 7);
  const start = writeFrameHeader(bytes, 0, flags, size);
  return bytes.subarray(0, start + bodyBytes);
}

const budget = 600_000;
const options = { messageBytesMax: 100_000, messageFramesMax: 100, receivePartialBytesMax: budget };

it("two hundred peers that stall in the middle of a message cost the budget, and good ones are served all the while", async () => {
  const server = keep(router(options));
  const reasons: DropReason[] = [];
  server.on("disconnect", (_peer, reason) => reasons.push(reason));
  echo(server);
  const endpoint = await server.bind("tcp://127.0.0.1:*");
  const good = keep(dealer());
  good.connect(endpoint);
  await good.writable();
  const large = "x".repeat(99_000);
  for (let n = 0; n < 200; n++) {
    const peer = await RawPeer.connect(endpoint);
    peers.push(peer);
    peer.introduce("DEALER", `stalls-${n}`);
    peer.send(begun(0, 90_000, 70_000));
    if (n % 20 === 0) await expectServed(good, large);
  }
  // Six of 90 000 bytes fit; the others have gone, the oldest first, and each was told of and counted.
  await until(() => server.counters.drops["message-stalled"] >= 194 && reasons.length === server.counters.disconnected);
  await expectServed(good, large);
  expect(new Set(reasons)).toEqual(new Set(["message-stalled"]));
  expect(server.counters.drops["message-stalled"]).toBe(reasons.length);
  expect(server.peer(Buffer.from("stalls-0"))).toBeUndefined();
  expect([...server.peers.values()].some((peer) => text([peer.routingId])[0] === "stalls-199")).toBe(true);
});

it("a good peer that sends its large message slowly, but sends, outlives those that have stalled", async () => {
  const server = keep(router(options));
  const endpoint = await server.bind("tcp://127.0.0.1:*");
  const slow = await RawPeer.connect(endpoint);
  peers.push(slow);
  slow.introduce("DEALER", "slow");
  const message = begun(0, 100_000, 100_000);
  slow.send(message.subarray(0, 1_000));
  await until(() => (server.peer(Buffer.from("slow"))?.bytesIn ?? 0) > 1_000);
  for (let n = 0; n < 20; n++) {
    const peer = await RawPeer.connect(endpoint);
    peers.push(peer);
    peer.introduce("DEALER", `stalls-${n}`);
    peer.send(begun(0, 90_000, 10));
    await until(() => (server.peer(Buffer.from(`stalls-${n}`))?.bytesIn ?? 0) > 80);
    const before = server.peer(Buffer.from("slow"))?.bytesIn ?? Number.NaN;
    slow.send(message.subarray((n + 1) * 1_000, (n + 2) * 1_000));
    await until(() => server.peer(Buffer.from("slow"))?.bytesIn === before + 1_000);
  }
  slow.send(message.subarray(21_000));
  const [from, body] = await server.receive(AbortSignal.timeout(60_000));
  expect(text([from ?? Buffer.alloc(0)])).toEqual(["slow"]);
  expect(body?.length).toBe(100_000);
  expect(server.counters.drops["message-stalled"]).toBeGreaterThan(10);
});

it("a budget that one message of the largest size does not fit in is refused", () => {
  const make = (): AnySocket => router({ messageBytesMax: 1_000_000, receivePartialBytesMax: 1_000_000 });
  expect(make).toThrow(expect.objectContaining({ details: { option: "receivePartialBytesMax" } }));
});

it("whatever the peers send in whatever order, they never hold more than the budget, and whoever sent last is never dropped", () => {
  const chunk = fc.oneof(
    fc.tuple(fc.constantFrom(0, flagMore), fc.nat(450_000), fc.nat(200_000)).map(([flags, size, some]) => {
      return begun(flags, size, Math.min(size, some));
    }),
    fc.nat(100_000).map((size) => Buffer.alloc(size, 1)),
  );
  const peersCount = 8;
  const messageBytesMax = 500_000;
  const largest = messageBytesMax + 101 * limits.frameHeldBytes + limits.commandBytesMax;
  const steps = fc.array(fc.tuple(fc.nat(peersCount - 1), chunk, fc.boolean()), { maxLength: 60 });
  fc.assert(
    fc.property(steps, fc.integer({ min: largest, max: largest * 2 }), (all, bytesMax) => {
      const partials = new Partials(bytesMax);
      const dropped = new Set<number>();
      const decoders = Array.from({ length: peersCount }, (_, n) => {
        const holder: Holder = {
          drop: () => {
            dropped.add(n);
            decoders[n]?.stop();
          },
        };
        const onHeld = (bytes: number): void => {
          partials.hold(holder, bytes);
          expect(partials.bytes).toBeLessThanOrEqual(bytesMax);
        };
        const decoder = new Decoder({ messageBytesMax, messageFramesMax: 100 }, () => undefined, onHeld);
        decoder.messagesAllowed = true;
        return decoder;
      });
      for (const [n, bytes, borrowed] of all) {
        const decoder = decoders[n];
        if (decoder === undefined || dropped.has(n)) continue;
        const place = decoder.place();
        if (place !== undefined) decoder.placed(Math.min(place.length, bytes.length));
        else if (borrowed) decoder.pushBorrowed(bytes);
        else decoder.push(bytes);
        decoder.take();
        expect(dropped.has(n)).toBe(false);
        const held = decoders.reduce((sum, one) => sum + one.heldBytes, 0);
        expect(partials.bytes).toBe(held);
        expect(held).toBeLessThanOrEqual(bytesMax);
      }
    }),
  );
});

it("a small frame that waits for the rest of its message does not keep the chunk that it came in", () => {
  const decoder = new Decoder({ messageBytesMax: 1_000, messageFramesMax: 10 }, () => undefined);
  decoder.messagesAllowed = true;
  const whole = Buffer.alloc(60_000);
  const chunk = Buffer.concat([whole, Uint8Array.of(flagMore, 3, 1, 2, 3)]);
  expect(decoder.push(chunk)).toBeUndefined();
  decoder.take();
  decoder.push(Buffer.from([0, 1, 4]));
  const [message] = decoder.take();
  expect(message?.map((frame) => [...frame])).toEqual([[1, 2, 3], [4]]);
  expect(message?.[0]?.buffer).not.toBe(chunk.buffer);
});
