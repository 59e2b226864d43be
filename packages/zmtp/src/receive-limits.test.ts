// What waits for a slow reader: each peer has a share, and who fills his own waits alone; beyond all shares there is the socket's limit.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VirtualClock } from "@wherry/core/testing";
import { afterAll, describe, expect, it } from "vitest";
import { keeper, RawPeer, text, until } from "./harness.suite.ts";
import { dealer, plainClient, plainServer, pull, push, router, type SendResult, type SocketOptions } from "./index.ts";

const directory = mkdtempSync(join(tmpdir(), "zmtp-"));
const keep = keeper(0);
afterAll(() => rmSync(directory, { recursive: true }));
const patience = (): AbortSignal => AbortSignal.timeout(60_000);

/** Sends as long as somebody takes it: until nothing has moved for many turns of the event loop. @returns how many. */
async function flood(source: { send(message: Uint8Array): SendResult }, body: Uint8Array): Promise<number> {
  let sent = 0;
  for (let still = 0; still < 200; still++) {
    for (let n = 0; n < 50 && source.send(body) === "sent"; n++) {
      sent++;
      still = 0;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  return sent;
}

describe.each([
  ["tcp", (): string => "tcp://127.0.0.1:*"],
  ["ipc", (): string => `ipc://${join(directory, "share.sock")}`],
  ["inproc", (): string => "inproc://share"],
] as const)("over %s", (_transport, endpoint) => {
  it.each([
    ["messages", { peerReceiveQueueMessagesMax: 10 }],
    ["bytes", { peerReceiveQueueBytesMax: 100_000 }],
  ])("a flood fills its own share, in %s; the quiet ones come in, and are read in turn", async (_, limit) => {
    const server = keep(router(limit));
    const at = await server.bind(endpoint());
    const flooding = keep(dealer({ routingId: "flood", peerQueueMessagesMax: 20, peerQueueBytesMax: 1_000_000 }));
    const quiet = ["one", "two", "three"].map((routingId) => keep(dealer({ routingId })));
    for (const socket of [flooding, ...quiet]) socket.connect(at);
    for (const socket of [flooding, ...quiet]) await socket.writable(patience());
    await until(() => server.peers.size === 4);

    // Nobody reads. The flood is stopped at its share and what one read brings, far below what it would send.
    const body = Buffer.alloc(10_000);
    const sent = await flood(flooding, body);
    expect(flooding.send(body)).toBe("full");
    const flooder = server.peer(Buffer.from("flood"));
    expect(flooder?.receiveQueueMessages).toBeGreaterThanOrEqual(10);
    expect(flooder?.receiveQueueMessages).toBeLessThan(40);
    expect(flooder?.receiveQueueBytes).toBe((flooder?.receiveQueueMessages ?? 0) * (body.length + "flood".length));

    for (let round = 0; round < 3; round++) {
      for (const socket of quiet) expect(socket.send(`round ${round}`)).toBe("sent");
      // Before the reader has taken anything, they are in.
      for (const id of ["one", "two", "three"])
        await until(() => server.peer(Buffer.from(id))?.receiveQueueMessages === 1);
      const first = [];
      for (let n = 0; n < 4; n++) first.push(text(await server.receive(patience()))[0] ?? "");
      expect(first.sort()).toEqual(["flood", "one", "three", "two"]);
    }

    // And nothing of the flood is lost.
    for (let n = 3; n < sent; n++) expect(text(await server.receive(patience()))[0]).toBe("flood");
    expect(flooder).toMatchObject({ receiveQueueMessages: 0, receiveQueueBytes: 0 });
    await flooding.writable(patience());
    expect(flooding.send("again")).toBe("sent");
    expect(text(await server.receive(patience()))).toEqual(["flood", "again"]);
  });

  it("all shares together are limited by the socket's", async () => {
    const server = keep(pull({ receiveQueueMessagesMax: 20, peerReceiveQueueMessagesMax: 15 }));
    const at = await server.bind(endpoint());
    const sources = [0, 1, 2].map(() => keep(push({ peerQueueMessagesMax: 10, peerQueueBytesMax: 1_000_000 })));
    for (const source of sources) source.connect(at);
    for (const source of sources) await source.writable(patience());
    await until(() => server.peers.size === 3);
    const sent = await Promise.all(sources.map((source) => flood(source, Buffer.alloc(20_000))));
    const held = [...server.peers.values()].reduce((sum, peer) => sum + peer.receiveQueueMessages, 0);
    expect(held).toBeGreaterThanOrEqual(20);
    expect(held).toBeLessThan(20 + 3 * 12);
    const total = sent.reduce((sum, count) => sum + count, 0);
    for (let n = 0; n < total; n++) await server.receive(patience());
    expect(server.counters.messagesIn).toBe(total);
  });
});

it.each(["NULL", "PLAIN"])("a slow reader does not cost newcomers their handshake (%s)", async (mechanism) => {
  // Reading was once paused for connections in the handshake too, which then ran out of time.
  const [ofServer, ofClient]: readonly [SocketOptions, SocketOptions] =
    mechanism === "NULL"
      ? [{}, {}]
      : [
          { security: plainServer({ authenticate: () => Promise.resolve(true) }) },
          { security: plainClient({ username: "a", password: "b" }) },
        ];
  const server = keep(router({ receiveQueueMessagesMax: 1, ...ofServer }));
  const at = await server.bind("tcp://127.0.0.1:*");
  const first = keep(dealer(ofClient));
  first.connect(at);
  await first.writable(patience());
  expect(first.send("nobody reads this")).toBe("sent");
  await until(() => [...server.peers.values()].some((peer) => peer.receiveQueueMessages === 1));
  const newcomer = keep(dealer({ routingId: "newcomer", ...ofClient }));
  newcomer.connect(at);
  await newcomer.writable(patience());
  await until(() => server.peers.size === 2);
  // It is a peer, and held back as all are: what it sends stays with it until the reader goes on.
  const sent = await flood(newcomer, Buffer.alloc(100_000));
  expect(server.peer(Buffer.from("newcomer"))?.messagesIn).toBeLessThan(sent);
  expect(server.send(["newcomer", "hello"])).toBe("sent");
  expect(text(await newcomer.receive(patience()))).toEqual(["hello"]);
  for (let n = 0; n < sent + 1; n++) await server.receive(patience());
});

it("what a flooding peer had sent before it left counts, until it is read; it takes no share of the one that comes back", async () => {
  const server = keep(router({ peerReceiveQueueMessagesMax: 5 }));
  const at = await server.bind("tcp://127.0.0.1:*");
  for (let round = 0; round < 3; round++) {
    const peer = await RawPeer.connect(at);
    peer.introduce("DEALER", "same");
    peer.send(Buffer.concat(Array.from({ length: 5 }, () => Buffer.from([0, 1, 48 + round]))));
    await until(() => server.peer(Buffer.from("same"))?.receiveQueueMessages === 5);
    peer.destroy();
    // A peer that is held back is not read from, its end neither: the next one takes its id over.
  }
  const got: string[] = [];
  for (let n = 0; n < 15; n++) got.push(text(await server.receive(patience()))[1] ?? "");
  expect(got.sort().join("")).toBe("000001111122222");
  await until(() => server.peers.size === 0);
});

it("with heartbeats, the death of a peer that is held back is noticed although nobody reads", async () => {
  const clock = new VirtualClock();
  const server = keep(router({ peerReceiveQueueMessagesMax: 1, heartbeatMs: 1_000, clock }));
  const peer = await RawPeer.connect(await server.bind("tcp://127.0.0.1:*"));
  peer.introduce("DEALER", "held");
  peer.send([0, 1, 48]);
  await until(() => server.peer(Buffer.from("held"))?.receiveQueueMessages === 1);
  peer.destroy();
  await expect
    .poll(async () => {
      await clock.advance(1_000);
      return server.peers.size;
    })
    .toBe(0);
  expect(server.counters.drops["connection-error"]).toBe(1);
  // What it had sent is there all the same.
  expect(text(await server.receive(patience()))).toEqual(["held", "0"]);
});
