// Queues have limits, and say so: to the sender by `full`, to the network by not reading.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { text, until } from "./harness.suite.ts";
import { dealer, type Message, router, type RouterSocket, type Socket, type SocketOptions } from "./index.ts";

let server: RouterSocket;
let client: Socket;

async function start(serverOptions: SocketOptions, clientOptions: SocketOptions = {}): Promise<void> {
  server = router(serverOptions);
  client = dealer(clientOptions);
  client.connect(await server.bind("tcp://127.0.0.1:*"));
  await client.writable();
}

beforeEach(() => start({ receiveQueueMessagesMax: 10 }, { peerQueueMessagesMax: 50, peerQueueBytesMax: 1 << 20 }));
afterEach(async () => {
  await Promise.all([server.close({ lingerMs: 50 }), client.close({ lingerMs: 50 })]);
});

/** Sends numbered messages of `bytes` until the queue is full; returns how many. */
function fill(bytes: number, from = 0): number {
  const body = Buffer.alloc(bytes);
  let count = 0;
  for (; count < 100_000; count++) {
    body.writeUInt32BE(from + count);
    if (client.send(Buffer.from(body)) !== "sent") return count;
  }
  throw new Error("the queue never became full");
}

const numbers = (messages: readonly Message[]): number[] => messages.map((m) => Buffer.from(m[1] ?? []).readUInt32BE());

describe("a reader that stands still", () => {
  it("stops the network, and the sender is told; all arrives when it goes on", async () => {
    const sent = fill(20_000);
    expect(client.send("one more")).toBe("full");
    const [peer] = client.peers.values();
    expect(peer?.queuedMessages).toBeLessThanOrEqual(50);
    // What the server holds is bounded too: its queue, and what one read brings beyond it.
    await until(() => server.counters.messagesIn >= 10);
    const held = server.counters.messagesIn;
    expect(held).toBeLessThan(100);
    const got: number[] = [];
    for (let n = 0; n < sent; n++) got.push(...numbers([await server.receive()]));
    expect(got).toEqual(Array.from({ length: sent }, (_, n) => n));
    await client.writable();
    expect(client.send("again")).toBe("sent");
    expect(text(await server.receive())[1]).toBe("again");
  });

  it("as a callback that answers false gets no more until it resumes", async () => {
    const batches: number[][] = [];
    server.onMessages((messages) => {
      batches.push(numbers(messages));
      return false;
    });
    const sent = fill(20_000);
    await until(() => batches.length === 1);
    await until(() => server.counters.messagesIn >= (batches[0]?.length ?? 0) + 10);
    expect(batches.length).toBe(1);
    while (batches.flat().length < sent) {
      server.resume();
      const before = batches.length;
      await until(() => batches.length > before);
    }
    expect(batches.flat()).toEqual(Array.from({ length: sent }, (_, n) => n));
  });

  it("can change from callback to receive and back without losing or reordering anything", async () => {
    const got: number[] = [];
    const byCallback = (messages: readonly Message[]): undefined => {
      got.push(...numbers(messages));
    };
    fill(100);
    while (got.length < 20) got.push(...numbers([await server.receive()]));
    server.onMessages(byCallback);
    await until(() => got.length >= 50);
    server.onMessages(undefined);
    const more = got.length + fill(100, got.length);
    while (got.length < more) got.push(...numbers([await server.receive(AbortSignal.timeout(60_000))]));
    expect(got).toEqual(Array.from({ length: more }, (_, n) => n));
  });
});

describe("limits in bytes", () => {
  it("hold for what waits for the reader", async () => {
    await Promise.all([server.close(), client.close()]);
    await start({ receiveQueueMessagesMax: 1_000_000, receiveQueueBytesMax: 1 << 20 }, { peerQueueBytesMax: 1 << 20 });
    // Until nothing has moved for a hundred turns of the event loop, or far too much has.
    let sent = 0;
    for (let still = 0; still < 100 && sent < 1_000; still++) {
      const moved = fill(50_000);
      if (moved > 0) still = 0;
      sent += moved;
      await new Promise((resolve) => setImmediate(resolve));
    }
    // The queue's limit, and what one read brings beyond it.
    expect(server.counters.messagesIn * 50_000).toBeGreaterThan(1 << 20);
    expect(server.counters.messagesIn * 50_000).toBeLessThan(3 << 20);
  });

  it("let one message pass that is larger than the queue", async () => {
    const big = new Uint8Array(3 << 20).fill(9);
    expect(client.send(big)).toBe("sent");
    const [, body] = await server.receive();
    expect(body?.length).toBe(big.length);
  });
});

describe("waiting", () => {
  it("for room ends when the peer has taken half of its queue", async () => {
    fill(20_000);
    let room = false;
    const waiting = client.writable().then(() => {
      room = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(room).toBe(false);
    server.onMessages(() => undefined);
    await waiting;
    const [peer] = client.peers.values();
    expect(peer?.queuedMessages).toBeLessThanOrEqual(25);
    await expect(peer?.writable()).resolves.toBeUndefined();
  });

  it("for room of one peer is apart from the others", async () => {
    const endpoint = `tcp://127.0.0.1:${[...client.peers.values()][0]?.address.split(":").at(-1)}`;
    const idle = dealer({ routingId: "idle" });
    idle.connect(endpoint);
    await idle.writable();
    fill(20_000);
    expect(server.send(["idle", "x"])).toBe("sent");
    await expect(server.peer(Buffer.from("idle"))?.writable()).resolves.toBeUndefined();
    expect(text(await idle.receive())).toEqual(["x"]);
    await idle.close();
  });

  it("can be aborted, and then takes nothing", async () => {
    const aborting = new AbortController();
    const told = expect(server.receive(aborting.signal)).rejects.toThrow("enough");
    aborting.abort(new Error("enough"));
    await told;
    await expect(server.receive(AbortSignal.abort(new Error("before")))).rejects.toThrow("before");
    client.send("kept");
    expect(text(await server.receive())[1]).toBe("kept");

    fill(20_000);
    const waiting = new AbortController();
    const alsoTold = expect(client.writable(waiting.signal)).rejects.toThrow("enough");
    waiting.abort(new Error("enough"));
    await alsoTold;
  });
});

it("a thousand sends in one tick go out although the limit is fifty", async () => {
  const got: Message[] = [];
  server.onMessages((messages) => {
    got.push(...messages);
    return undefined;
  });
  for (let n = 0; n < 1_000; n++) expect(client.send(`${n}`)).toBe("sent");
  await until(() => got.length === 1_000);
  expect(got.map((m) => text(m)[1])).toEqual(Array.from({ length: 1_000 }, (_, n) => `${n}`));
});

it.each([
  ["peerQueueMessagesMax", { peerQueueMessagesMax: 0 }],
  ["messageBytesMax", { messageBytesMax: Number.NaN }],
  ["reconnect.maxMs", { reconnect: { firstMs: 100, maxMs: 50 } }],
  ["routingId", { routingId: "" }],
  ["routingId", { routingId: Uint8Array.of(0, 1) }],
  ["routingId", { routingId: "x".repeat(256) }],
])("a senseless option is refused: %s", (option, options) => {
  expect(() => dealer(options)).toThrow(expect.objectContaining({ code: "ZMTP_OPTION_INVALID", details: { option } }));
});
