// Memory that is given back: read into again, and never while anybody may still look at what it held.
import "../leftovers.suite.ts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keeper, RawPeer, until } from "../harness.suite.ts";
import { dealer, type Message, pair, recycle, router } from "../index.ts";
import { limits } from "../limits.ts";
import { largeBody, writing, written } from "./recycled.ts";

const size = limits.placedBytesMin;

describe("memory that is given back", () => {
  it("is empty for whoever still has it, and serves the next body that fits", () => {
    const first = largeBody(size);
    const view = new Uint32Array(first.buffer, 0, 8);
    first.fill(7);
    recycle([first]);
    expect([first.length, view.length]).toEqual([0, 0]);
    const second = largeBody(size - 1_000);
    expect(second.length).toBe(size - 1_000);
    expect(second.every((byte) => byte === 7)).toBe(true);
    recycle([first]);
    expect(second.length).toBe(size - 1_000);
    recycle([second]);
  });

  it("shows nothing of an earlier message beside a smaller one, whoever looks at all of it", () => {
    const first = largeBody(size * 2);
    first.fill(7);
    recycle([first]);
    const second = largeBody(size + 1);
    expect(second.buffer.byteLength).toBe(size * 2);
    expect(Buffer.from(second.buffer, second.length).equals(Buffer.alloc(size - 1))).toBe(true);
    recycle([second]);
  });

  it("is not held above the limit, and the rest is let go of at once", () => {
    const bodies = Array.from({ length: 3 }, () => largeBody(limits.recycledBytesMax / 2 + 1));
    const before = process.memoryUsage().arrayBuffers;
    recycle(bodies);
    expect(bodies.map(({ length }) => length)).toEqual([0, 0, 0]);
    expect(before - process.memoryUsage().arrayBuffers).toBeGreaterThanOrEqual(limits.recycledBytesMax);
    // Whoever comes next gets the one that was kept.
    recycle([largeBody(limits.recycledBytesMax / 2)]);
  });

  it("that did not come from the network is left alone", () => {
    const own = Buffer.alloc(size);
    recycle([own, Buffer.from("small"), new Uint8Array(new SharedArrayBuffer(size))]);
    expect(own.length).toBe(size);
  });

  it("never holds two bodies, nor changes what is being written, in whatever order things happen", () => {
    const step = fc.record({
      what: fc.constantFrom("take", "write", "written", "give"),
      of: fc.nat(9),
      of8: fc.nat(7),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        interface Body {
          readonly bytes: Buffer;
          readonly mark: number;
          writes: number;
          given: boolean;
        }
        const bodies: Body[] = [];
        let mark = 0;
        for (const { what, of, of8 } of steps) {
          const body = bodies[of % Math.max(1, bodies.length)];
          if (what === "take") {
            const bytes = largeBody(size + of8 * 20_000);
            bytes.writeUInt32LE(++mark, 0);
            bytes.writeUInt32LE(mark, bytes.length - 4);
            bodies.push({ bytes, mark, writes: 0, given: false });
          } else if (body === undefined) continue;
          else if (what === "write" && !body.given) {
            body.writes++;
            writing(body.bytes);
          } else if (what === "written" && body.writes > 0) {
            body.writes--;
            written(body.bytes);
          } else if (what === "give") {
            body.given = true;
            recycle([body.bytes]);
          }
          for (const each of bodies) {
            const gone = each.given && each.writes === 0;
            if (gone) expect(each.bytes.length).toBe(0);
            else
              expect([each.bytes.readUInt32LE(0), each.bytes.readUInt32LE(each.bytes.length - 4)]).toEqual([
                each.mark,
                each.mark,
              ]);
          }
        }
        for (const body of bodies) while (body.writes-- > 0) written(body.bytes);
        recycle(bodies.map(({ bytes }) => bytes));
      }),
    );
  });
});

describe("between sockets", () => {
  const keep = keeper();

  it("a relay that gives back what it has just sent on changes none of it", async () => {
    // Room for all that is on its way while the client does not read.
    const relay = keep(router({ peerQueueBytesMax: 1_000_000_000 }));
    relay.onMessages((messages) => {
      for (const message of messages) {
        expect(relay.send(message)).toBe("sent");
        recycle(message);
      }
      return undefined;
    });
    const client = keep(dealer());
    client.connect(await relay.bind("tcp://127.0.0.1:*"));
    await client.writable();
    const sizes = [1_048_576, 300_000, 1_000, size, 2_000_000];
    const wrong: number[] = [];
    let got = 0;
    const onMessages = (messages: readonly Message[]): undefined => {
      for (const message of messages) {
        const [body = Buffer.alloc(0)] = message;
        const number = got++;
        if (body.length !== sizes[number % sizes.length] || !body.every((byte) => byte === number % 251))
          wrong.push(number);
        recycle(message);
      }
      return undefined;
    };
    const total = 60;
    for (let number = 0; number < total; number++) {
      // The client reads late, so that writes stay under way.
      if (number === 10) client.onMessages(onMessages);
      await client.writable();
      expect(client.send(Buffer.alloc(sizes[number % sizes.length] ?? 0, number % 251))).toBe("sent");
    }
    await until(() => got === total);
    expect(wrong).toEqual([]);
  });

  it("that was on its way to a peer who died is emptied, and used again, like any other", async () => {
    const relay = keep(router({ peerQueueBytesMax: 1_000_000_000 }));
    let connected = 0;
    relay.on("connect", () => connected++);
    const endpoint = await relay.bind("tcp://127.0.0.1:*");
    const source = keep(dealer());
    source.connect(endpoint);
    await source.writable();
    const deaf = await RawPeer.connect(endpoint);
    deaf.socket.pause();
    deaf.introduce("DEALER", "deaf");
    await until(() => connected === 2);
    const bodies: Uint8Array[] = [];
    while (bodies.length < 16) {
      source.send(Buffer.alloc(1_000_000, bodies.length));
      const [, body = new Uint8Array()] = await relay.receive();
      expect(relay.send(["deaf", body])).toBe("sent");
      recycle([body]);
      bodies.push(body);
    }
    expect(bodies.filter(({ length }) => length > 0).length).toBeGreaterThan(1);
    deaf.destroy();
    await until(() => bodies.every(({ length }) => length === 0));
  });

  it("of one thread it stays with whom it was sent to", async () => {
    const [upstream, here, there] = [keep(pair()), keep(pair()), keep(pair())];
    const entry = keep(pair());
    upstream.connect(await entry.bind("tcp://127.0.0.1:*"));
    here.connect(await there.bind("inproc://recycled"));
    await Promise.all([upstream.writable(), here.writable()]);
    upstream.send(Buffer.alloc(1_000_000, 9));
    const message = await entry.receive();
    expect(here.send(message)).toBe("sent");
    recycle(message);
    const [body] = await there.receive();
    expect(body?.length).toBe(1_000_000);
    expect(body?.every((byte) => byte === 9)).toBe(true);
  });
});
