// What users of the native binding suffer from, and what is not tested elsewhere. The table in the README names a test for each.
import { existsSync, readFileSync } from "node:fs";
import { Socket as NetSocket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Worker } from "node:worker_threads";
import { expect, it, vi } from "vitest";
import * as zmq from "zeromq";
import { VirtualClock } from "@wherry/core/testing";
import { echo, keeper, RawPeer, text, until } from "./harness.suite.ts";
import { dealer, plainClient, plainServer, pull, push, request, router } from "./index.ts";
import { limits } from "./limits.ts";

const keep = keeper();
const anyPort = "tcp://127.0.0.1:*";
const patience = (): AbortSignal => AbortSignal.timeout(60_000);

it("installs nothing native: no binary, no build, no script", () => {
  const ours = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as Manifest;
  expect(Object.keys(ours.dependencies ?? {}).filter((name) => !name.startsWith("@wherry/"))).toEqual(["libsodium"]);
  const sodium = new URL("../../../node_modules/libsodium/", import.meta.url);
  const theirs = JSON.parse(readFileSync(new URL("package.json", sodium), "utf8")) as Manifest;
  for (const { scripts = {} } of [ours, theirs])
    expect(Object.keys(scripts).filter((name) => /^(pre|post)?install$|^prepare$/.test(name))).toEqual([]);
  expect(Object.keys(theirs.dependencies ?? {})).toEqual([]);
  expect(existsSync(new URL("binding.gyp", sodium))).toBe(false);
});

interface Manifest {
  readonly dependencies?: Record<string, string>;
  readonly scripts?: Record<string, string>;
}

it("sends and receives go on while it binds and stops accepting", async () => {
  const server = keep(router());
  const client = keep(dealer());
  client.connect(await server.bind(anyPort));
  echo(server);
  await client.writable(patience());
  const changes = Promise.all([server.bind(anyPort), server.stopAccepting(), client.bind(anyPort)]);
  expect(client.send("meanwhile")).toBe("sent");
  await changes;
  expect(text(await client.receive(patience()))).toEqual(["meanwhile"]);
});

it("thousands of sends in one tick are all accepted, and are one write; none is in another's way", async () => {
  const server = keep(router());
  // No time passes: a tick that takes long writes before its end (engine/writer.test.ts).
  const client = keep(dealer({ peerQueueMessagesMax: 5_000, clock: new VirtualClock() }));
  client.connect(await server.bind(anyPort));
  await client.writable(patience());
  const write = vi.spyOn(NetSocket.prototype, "write");
  try {
    // Two who send without knowing of each other, as a reply loop and a signal handler do.
    const loop = async (name: string): Promise<void> => {
      for (let n = 0; n < 2_000; n++) {
        if (n % 100 === 0) await Promise.resolve();
        expect(client.send(`${name} ${n}`)).toBe("sent");
      }
    };
    await Promise.all([loop("one"), loop("two")]);
    expect(write).not.toHaveBeenCalled();
    const got: string[] = [];
    while (got.length < 4_000) got.push(text(await server.receive(patience()))[1] ?? "");
    expect(write).toHaveBeenCalledTimes(1);
    for (const name of ["one", "two"])
      expect(got.filter((each) => each.startsWith(name))).toEqual(
        Array.from({ length: 2_000 }, (_, n) => `${name} ${n}`),
      );
  } finally {
    write.mockRestore();
  }
});

it("a flood leaves everybody else their turn of the event loop", async () => {
  const server = keep(router());
  const peer = await RawPeer.connect(await server.bind(anyPort));
  peer.introduce("DEALER");
  await until(() => server.peers.size === 1);
  let [messages, atLastTurn, mostInOneTurn] = [0, 0, 0];
  server.onMessages((batch) => {
    messages += batch.length;
    return undefined;
  });
  const frameBytes = 12;
  const frames = Buffer.alloc(frameBytes * 100_000, Buffer.from([0, 10, ...Array<number>(10).fill(7)]));
  for (let n = 0; n < 20; n++) peer.socket.write(frames);
  while (messages < 2_000_000) {
    await new Promise((resolve) => setImmediate(resolve));
    mostInOneTurn = Math.max(mostInOneTurn, messages - atLastTurn);
    atLastTurn = messages;
  }
  // libuv reads at most 32 times from one socket, and each of our reads is bounded.
  expect(mostInOneTurn).toBeLessThanOrEqual((32 * limits.readBufferBytes) / frameBytes + 1);
  peer.destroy();
});

it("a sent frame up to 8 KiB may be changed at once", async () => {
  const server = keep(router());
  const client = keep(dealer());
  client.connect(await server.bind(anyPort));
  await client.writable(patience());
  const frame = Buffer.alloc(8_192, "a");
  client.send(frame);
  frame.fill("b");
  const [, got] = await server.receive(patience());
  expect(got?.every((byte) => byte === 97)).toBe(true);
});

it("what the other side had sent when we disconnected is still delivered", async () => {
  const server = keep(router());
  const client = keep(dealer());
  const endpoint = await server.bind(anyPort);
  client.connect(endpoint);
  await client.writable(patience());
  for (let n = 0; n < 100; n++) client.send(`${n}`);
  client.disconnect(endpoint);
  echo(server);
  const got: string[] = [];
  while (got.length < 100) got.push(...text(await client.receive(patience())));
  expect(got).toEqual(Array.from({ length: 100 }, (_, n) => `${n}`));
});

it("a socket that everybody has forgotten serves on until it is closed", async () => {
  setFlagsFromString("--expose_gc");
  const collect = runInNewContext("gc") as () => void;
  const client = keep(dealer());
  // Nothing but its own connections knows of it; what closes it comes over the wire, at the end.
  await (async (): Promise<void> => {
    const server = router();
    client.connect(await server.bind(anyPort));
    server.onMessages((messages) => {
      for (const message of messages) server.send(message);
      if (text(messages.at(-1) ?? [])[1] === "the last") void server.close({ lingerMs: 60_000 });
      return undefined;
    });
  })();
  await client.writable(patience());
  for (const body of ["one", "two", "the last"]) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    expect(client.send(body)).toBe("sent");
    expect(text(await client.receive(patience()))).toEqual([body]);
  }
  await until(() => client.peers.size === 0);
});

it("a REQ with heartbeats keeps its connection while it waits for a reply, whoever answers", async () => {
  const heartbeats = { heartbeatInterval: 20, heartbeatTimeout: 60_000, heartbeatTimeToLive: 60_000 };
  const theirs = new zmq.Reply({ linger: 0, ...heartbeats });
  await theirs.bind(anyPort);
  const clock = new VirtualClock();
  const client = keep(request({ heartbeatMs: 1_000, clock }));
  client.connect(theirs.lastEndpoint ?? "");
  await client.writable(patience());
  const [peer] = client.peers.values();
  expect(client.send("slow")).toBe("sent");
  const question = await theirs.receive();
  // Many intervals of both.
  for (let second = 0; second < 10; second++) {
    const before = peer?.bytesIn ?? 0;
    await clock.advance(1_000);
    await until(() => (peer?.bytesIn ?? 0) > before);
  }
  await theirs.send(question);
  expect(text(await client.receive(patience()))).toEqual(["slow"]);
  expect([...client.peers.values()]).toEqual([peer]);
  theirs.close();
});

it("a ROUTER is told at once that one peer is full, and serves the others", async () => {
  const server = keep(router({ peerQueueBytesMax: 100_000 }));
  const endpoint = await server.bind(anyPort);
  const deaf = await RawPeer.connect(endpoint);
  deaf.introduce("DEALER", "deaf");
  const other = keep(dealer({ routingId: "other" }));
  other.connect(endpoint);
  await until(() => server.peers.size === 2);
  deaf.socket.pause();
  let sent = 0;
  while (server.send(["deaf", Buffer.alloc(50_000)]) === "sent") sent++;
  expect(sent).toBeGreaterThan(0);
  expect(server.send(["deaf", "x"])).toBe("full");
  expect(server.send(["other", "x"])).toBe("sent");
  expect(text(await other.receive(patience()))).toEqual(["x"]);
  let room = false;
  const waiting = server
    .peer(Buffer.from("deaf"))
    ?.writable()
    .then(() => (room = true));
  await server.writable(patience());
  expect(room).toBe(false);
  deaf.socket.resume();
  await waiting;
  expect(server.send(["deaf", "x"])).toBe("sent");
  deaf.destroy();
});

it("peers are listed, with who they are and what went to and fro; who leaves is named, with the reason", async () => {
  const server = keep(router({ security: plainServer({ authenticate: () => true }) }));
  const endpoint = await server.bind(anyPort);
  const log: string[] = [];
  server.on("connect", (peer) => log.push(`${String(peer.routingId)} came`));
  server.on("disconnect", (peer, reason) => log.push(`${String(peer.routingId)} left: ${reason}`));
  const clients = ["a", "b"].map((routingId) =>
    keep(dealer({ routingId, security: plainClient({ username: `user ${routingId}`, password: "p" }) })),
  );
  for (const client of clients) {
    client.connect(endpoint);
    await client.writable(patience());
    client.send("hello");
    await server.receive(patience());
  }
  expect([...server.peers.values()]).toMatchObject(
    ["a", "b"].map((id) => ({
      routingId: Buffer.from(id),
      userId: `user ${id}`,
      address: expect.stringMatching(/^tcp:\/\/127\.0\.0\.1:\d+$/) as string,
      metadata: new Map([
        ["Socket-Type", "DEALER"],
        ["Identity", id],
      ]),
      messagesIn: 1,
      messagesOut: 0,
      queuedMessages: 0,
      receiveQueueMessages: 0,
    })),
  );
  await clients[0]?.close();
  await until(() => server.peers.size === 1);
  server.peer(Buffer.from("b"))?.close();
  await until(() => log.length >= 4);
  expect(log.slice(0, 4)).toEqual(["a came", "b came", "a left: closed-by-peer", "b left: closed-here"]);
  expect(server.counters.drops).toMatchObject({ "closed-by-peer": 1, "closed-here": 1 });
});

it("a ROUTER that is connected to another finds it again when it comes back under a new id", async () => {
  const client = keep(router({ routingId: "client", reconnect: { firstMs: 1, maxMs: 5 } }));
  let endpoint = anyPort;
  for (const routingId of ["first life", "second life"]) {
    const server = router({ routingId });
    endpoint = await server.bind(endpoint);
    client.connect(endpoint);
    await until(() => client.peer(Buffer.from(routingId)) !== undefined);
    expect(client.send([routingId, "hello"])).toBe("sent");
    expect(text(await server.receive(patience()))).toEqual(["client", "hello"]);
    await server.close();
    await until(() => client.peers.size === 0);
    expect(client.send([routingId, "hello"])).toBe("no-peer");
  }
});

it("a verdict that does not come holds up nobody else's handshake", async () => {
  const authenticate = ({ username }: { username: string }): Promise<boolean> | true =>
    username === "slow" ? new Promise(() => undefined) : true;
  const server = keep(router({ security: plainServer({ authenticate }) }));
  echo(server);
  const endpoint = await server.bind(anyPort);
  const join = (username: string): ReturnType<typeof dealer> => {
    const client = keep(dealer({ security: plainClient({ username, password: "p" }) }));
    client.connect(endpoint);
    return client;
  };
  for (let n = 0; n < 10; n++) join("slow");
  await until(() => server.counters.accepted === 10);
  const quick = join("quick");
  await quick.writable(patience());
  quick.send("hello");
  expect(text(await quick.receive(patience()))).toEqual(["hello"]);
  expect(server.peers.size).toBe(1);
});

it("thousands of sockets are nothing but objects", async () => {
  const sockets = Array.from({ length: 3_000 }, () => keep(pull()));
  for (const [index, socket] of sockets.entries()) await socket.bind(`inproc://many-${index}`);
  const source = keep(push());
  for (const index of sockets.keys()) source.connect(`inproc://many-${index}`);
  await until(() => source.peers.size === 3_000);
  for (let n = 0; n < 3_000; n++) expect(source.send("x")).toBe("sent");
  await until(() => sockets.every((socket) => socket.counters.messagesIn === 1));
});

it("works in a worker thread, whose end by process.exit harms nobody", async () => {
  const server = keep(router());
  echo(server);
  const endpoint = await server.bind(anyPort);
  const index = new URL("./index.ts", import.meta.url).href;
  const program = `
    const { dealer } = await import(${JSON.stringify(index)});
    const { parentPort } = await import("node:worker_threads");
    const client = dealer();
    client.connect(${JSON.stringify(endpoint)});
    await client.writable();
    client.send("from a thread");
    parentPort.postMessage(String((await client.receive())[0]));
    process.exit(3);
  `;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`), { execArgv: [] });
  const said: unknown[] = [];
  worker.on("message", (message) => said.push(message));
  const code = await new Promise((resolve, reject) => worker.once("exit", resolve).once("error", reject));
  expect([said, code]).toEqual([["from a thread"], 3]);
  await until(() => server.peers.size === 0);
});

it("a quick sender is told to stop, and memory stays within the queue's limit", async () => {
  const server = keep(router({ receiveQueueMessagesMax: 10 }));
  const client = keep(dealer({ peerQueueBytesMax: 1_000_000 }));
  client.connect(await server.bind(anyPort));
  await client.writable(patience());
  let accepted = 0;
  for (let n = 0; n < 100_000; n++) {
    if (client.send(Buffer.alloc(10_000)) !== "sent") continue;
    accepted++;
  }
  expect(accepted).toBeLessThan(100_000);
  const [peer] = client.peers.values();
  expect(peer?.queuedBytes).toBeLessThan(1_100_000);
});
