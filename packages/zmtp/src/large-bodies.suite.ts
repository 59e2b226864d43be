// Bodies of up to some megabytes over real sockets: what every way of reading them has to give.
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { echo, expectServed, keeper, RawPeer, until } from "./harness.suite.ts";
import { type Message, dealer, pull, router } from "./index.ts";
import { allowKeys, curveClient, curveKeyPair, curveServer } from "./mechanism/curve.ts";
import { limits } from "./limits.ts";
import { flagMore, longHeaderBytes, writeFrameHeader } from "./wire/frame.ts";

/** A body whose bytes tell where they belong. */
function bodyOf(size: number, salt: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at + 4 <= size; at += 4) bytes.writeUInt32LE((at * 2_654_435_761 + salt) >>> 0, at);
  return bytes;
}

function stream(messages: readonly Message[]): Buffer {
  return Buffer.concat(
    messages.flatMap((frames) =>
      frames.flatMap((frame, index) => {
        const header = Buffer.alloc(longHeaderBytes);
        const end = writeFrameHeader(header, 0, index < frames.length - 1 ? flagMore : 0, frame.length);
        return [header.subarray(0, end), frame];
      }),
    ),
  );
}

function same(one: Message | undefined, other: Message): boolean {
  return (
    one?.length === other.length && other.every((frame, f) => Buffer.compare(frame, one[f] ?? Buffer.alloc(0)) === 0)
  );
}

const least = limits.placedBytesMin;
const sizes = fc.oneof(
  { weight: 2, arbitrary: fc.nat(2_000) },
  { weight: 1, arbitrary: fc.constantFrom(65_527, 65_536, least - 1, least, limits.bodyFirstBytes + 1, 1_048_576) },
  { weight: 1, arbitrary: fc.integer({ min: least, max: 3_000_000 }) },
);
const someMessages = fc
  .array(fc.array(sizes, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 6 })
  .map((all) => all.map((frames, m): Message => frames.map((size, f) => bodyOf(size, m * 10 + f))));

export function largeBodies(): void {
  const peers: RawPeer[] = [];
  const keep = keeper();
  afterEach(async () => {
    for (const peer of peers.splice(0)) peer.destroy();
  });

  it("however the network splits the stream, the messages are those that were sent", async () => {
    const socket = keep(pull());
    const endpoint = await socket.bind("tcp://127.0.0.1:*");
    const cuts = fc.array(fc.nat(10_000_000), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(someMessages, cuts, async (messages, places) => {
        const peer = await RawPeer.connect(endpoint);
        peers.push(peer);
        peer.introduce("PUSH");
        const bytes = stream(messages);
        const ends = [...places.map((place) => place % bytes.length), bytes.length].sort((a, b) => a - b);
        let at = 0;
        for (const end of ends) {
          await new Promise((resolve) => peer.socket.write(bytes.subarray(at, end), resolve));
          at = end;
        }
        for (const message of messages)
          expect(same(await socket.receive(AbortSignal.timeout(60_000)), message)).toBe(true);
        peer.destroy();
      }),
      { numRuns: 15 },
    );
  });

  describe.each(["NULL", "CURVE"])("%s", (mechanism) => {
    it("many at once come back as they went, while the reader pauses now and then", async () => {
      const [server, client] = [curveKeyPair(), curveKeyPair()];
      const curve = mechanism === "CURVE";
      const sink = keep(
        router({
          receiveQueueMessagesMax: 2,
          ...(curve ? { security: curveServer({ ...server, authenticate: allowKeys([client.publicKey]) }) } : {}),
        }),
      );
      const source = keep(dealer(curve ? { security: curveClient({ ...client, serverKey: server.publicKey }) } : {}));
      source.connect(await sink.bind("tcp://127.0.0.1:*"));
      const messages = [1_048_576, 10, least, 2_500_000, 300, 300, 1_048_576, 70_000, least + 1, 0, 400_000].map(
        (size, n): Message => [bodyOf(size, n), bodyOf(n * 50_000, n)],
      );
      const answering = (async (): Promise<void> => {
        for (let n = 0; n < messages.length; n++)
          expect(sink.send(await sink.receive(AbortSignal.timeout(60_000)))).toBe("sent");
      })();
      for (const message of messages) {
        await source.writable();
        expect(source.send(message)).toBe("sent");
      }
      for (const message of messages)
        expect(same(await source.receive(AbortSignal.timeout(60_000)), message)).toBe(true);
      await answering;
    });
  });

  it("peers that go in the middle of a body leave nothing behind, and others are served", async () => {
    const server = keep(router());
    echo(server);
    const endpoint = await server.bind("tcp://127.0.0.1:*");
    const good = keep(dealer());
    good.connect(endpoint);
    await good.writable();
    const whole = stream([[bodyOf(1_000_000, 1)]]);
    for (const [n, came] of [9, 10, 65_536, 65_537, 300_000, 999_999].entries()) {
      const peer = await RawPeer.connect(endpoint);
      peers.push(peer);
      peer.introduce("DEALER", `goes-${n}`);
      peer.send(whole.subarray(0, came));
      await until(() => (server.peer(Buffer.from(`goes-${n}`))?.bytesIn ?? 0) > came);
      if (n % 2 === 0) peer.socket.resetAndDestroy();
      else peer.destroy();
      await expectServed(good, "x".repeat(500_000));
    }
    await until(() => server.peers.size === 1);
  });

  it("is closed in the middle of a body", async () => {
    const server = router();
    const peer = await RawPeer.connect(await server.bind("tcp://127.0.0.1:*"));
    peers.push(peer);
    peer.introduce("DEALER", "half");
    peer.send(stream([[bodyOf(1_000_000, 1)]]).subarray(0, 600_000));
    await until(() => (server.peer(Buffer.from("half"))?.bytesIn ?? 0) > 600_000);
    await server.close({ lingerMs: 0 });
    await until(() => peer.ended);
  });
}
