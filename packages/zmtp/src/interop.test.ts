// Against real libzmq, both ways round: the native binding zeromq.js, and pyzmq where Debian's python3-zmq is installed.
import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import * as zmq from "zeromq";
import { echo, text, until } from "./harness.suite.ts";
import {
  dealer,
  pair,
  publisher,
  pull,
  push,
  reply,
  request,
  router,
  type Socket,
  subscriber,
  xpublisher,
  xsubscriber,
} from "./index.ts";

const directory = mkdtempSync(join(tmpdir(), "zmtp-"));
const open: (() => unknown)[] = [];
const keep = <T extends { close: () => unknown }>(socket: T): T => {
  open.push(() => socket.close());
  return socket;
};
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});
afterAll(() => rmSync(directory, { recursive: true }));

let sockets = 0;
const endpoints = { tcp: () => "tcp://127.0.0.1:*", ipc: () => `ipc://${join(directory, `${++sockets}.sock`)}` };

/** Frames of every size where something changes: empty, one byte, short and long lengths, copied or not, many reads. */
const bodies: Buffer[][] = [
  [Buffer.from("x")],
  [Buffer.alloc(255, 1)],
  [Buffer.alloc(256, 2)],
  [Buffer.from("a"), Buffer.alloc(0), Buffer.from("b")],
  [Buffer.alloc(0)],
  [Buffer.alloc(8_192, 3), Buffer.alloc(8_193, 4)],
  [Buffer.alloc(1 << 20, 5)],
  [Buffer.alloc(1 << 20, 6), Buffer.alloc(0), Buffer.alloc(300_000, 7)],
];

const same = (got: readonly Uint8Array[], sent: readonly Uint8Array[]): void => {
  expect(got.map((frame) => frame.length)).toEqual(sent.map((frame) => frame.length));
  expect(Buffer.concat(got).equals(Buffer.concat(sent))).toBe(true);
};

async function exchangeOurs(client: Socket): Promise<void> {
  await client.writable();
  for (const body of bodies) {
    expect(client.send(body)).toBe("sent");
    same(await client.receive(AbortSignal.timeout(5_000)), body);
  }
}

async function exchangeTheirs(client: zmq.Request | zmq.Dealer): Promise<void> {
  client.receiveTimeout = 5_000;
  for (const body of bodies) {
    await client.send(body);
    same(await client.receive(), body);
  }
}

async function echoTheirs(server: zmq.Reply | zmq.Router | zmq.Dealer): Promise<void> {
  try {
    for await (const message of server) await server.send(message);
  } catch {
    // The test has ended and closed it.
  }
}

describe.each(["tcp", "ipc"] as const)("over %s", (transport) => {
  it.each([
    ["REQ", "REP", () => new zmq.Request(), () => reply()],
    ["REQ", "ROUTER", () => new zmq.Request(), () => router()],
    ["DEALER", "ROUTER", () => new zmq.Dealer(), () => router()],
    ["DEALER", "DEALER", () => new zmq.Dealer(), () => dealer()],
  ] as const)("libzmq's %s talks to our %s", async (_client, _server, makeClient, makeServer) => {
    const server = keep(makeServer());
    const endpoint = await server.bind(endpoints[transport]());
    echo(server);
    const client = keep(makeClient());
    client.connect(endpoint);
    await exchangeTheirs(client);
  });

  it.each([
    ["REQ", "REP", () => request(), () => new zmq.Reply()],
    ["REQ", "ROUTER", () => request(), () => new zmq.Router()],
    ["DEALER", "ROUTER", () => dealer(), () => new zmq.Router()],
    ["DEALER", "DEALER", () => dealer(), () => new zmq.Dealer()],
  ] as const)("our %s talks to libzmq's %s", async (_client, _server, makeClient, makeServer) => {
    const server = keep(makeServer());
    await server.bind(endpoints[transport]());
    void echoTheirs(server);
    const client = keep(makeClient());
    client.connect(server.lastEndpoint ?? "");
    await exchangeOurs(client);
  });

  it.each([
    ["REQ", "REP", () => request(), () => reply()],
    ["REQ", "ROUTER", () => request(), () => router()],
    ["DEALER", "ROUTER", () => dealer(), () => router()],
    ["DEALER", "DEALER", () => dealer(), () => dealer()],
  ] as const)("our %s talks to our %s", async (_client, _server, makeClient, makeServer) => {
    const server = keep(makeServer());
    echo(server);
    const endpoint = await server.bind(endpoints[transport]());
    const client = keep(makeClient());
    client.connect(endpoint);
    await exchangeOurs(client);
  });
});

it("a DEALER sends REP its envelope, both ways", async () => {
  const ours = keep(reply());
  const theirs = keep(new zmq.Dealer({ receiveTimeout: 5_000 }));
  theirs.connect(await ours.bind("tcp://127.0.0.1:*"));
  echo(ours);
  await theirs.send(["hop", "", "question"]);
  expect(text(await theirs.receive())).toEqual(["hop", "", "question"]);

  const rep = keep(new zmq.Reply());
  await rep.bind("tcp://127.0.0.1:*");
  void echoTheirs(rep);
  const client = keep(dealer());
  client.connect(rep.lastEndpoint ?? "");
  await client.writable();
  client.send(["hop", "", "question"]);
  expect(text(await client.receive())).toEqual(["hop", "", "question"]);
});

it("routing ids are announced to libzmq and understood from it", async () => {
  const theirs = keep(new zmq.Router());
  await theirs.bind("tcp://127.0.0.1:*");
  const client = keep(dealer({ routingId: "wherry-1" }));
  client.connect(theirs.lastEndpoint ?? "");
  await client.writable();
  client.send("hello");
  expect(text(await theirs.receive())).toEqual(["wherry-1", "hello"]);

  const ours = keep(router());
  const native = keep(new zmq.Dealer({ routingId: "native-1" }));
  native.connect(await ours.bind("tcp://127.0.0.1:*"));
  await native.send("hello");
  expect(text(await ours.receive())).toEqual(["native-1", "hello"]);
  expect(ours.send(["native-1", "back"])).toBe("sent");
  expect(text(await native.receive())).toEqual(["back"]);
  expect([...ours.peers.values()].map((peer) => peer.metadata.get("Socket-Type"))).toEqual(["DEALER"]);
});

it("libzmq's heartbeats are answered, and ours by it", async () => {
  const ours = keep(router({ heartbeatMs: 30 }));
  const endpoint = await ours.bind("tcp://127.0.0.1:*");
  const theirs = keep(new zmq.Dealer({ heartbeatInterval: 20, heartbeatTimeout: 200, heartbeatTimeToLive: 200 }));
  theirs.connect(endpoint);
  await until(() => ours.peers.size === 1);
  const [peer] = ours.peers.values();
  const bytesAtStart = peer?.bytesIn ?? 0;
  // Many intervals, and still the same connection.
  await until(() => (peer?.bytesIn ?? 0) > bytesAtStart + 300 && (peer?.bytesOut ?? 0) > 300);
  expect([...ours.peers.values()]).toEqual([peer]);
  expect(ours.counters.disconnected).toBe(0);
});

it("thousands of messages keep their order through libzmq", async () => {
  const theirs = keep(new zmq.Router());
  await theirs.bind("tcp://127.0.0.1:*");
  void echoTheirs(theirs);
  const client = keep(dealer());
  client.connect(theirs.lastEndpoint ?? "");
  await client.writable();
  const got: number[] = [];
  client.onMessages((messages) => {
    for (const [frame] of messages) got.push(Number(Buffer.from(frame ?? []).toString()));
    return undefined;
  });
  for (let n = 0; n < 5_000; n++) {
    while (client.send(String(n)) !== "sent") await client.writable();
    // libzmq's ROUTER drops what goes beyond its own queue limit: stay below it.
    if (n % 500 === 499) await until(() => got.length === n + 1);
  }
  expect(got).toEqual(Array.from({ length: 5_000 }, (_, n) => n));
});

it("100 MB in one frame pass both ways", async () => {
  const body = Buffer.alloc(100_000_000, "0123456789");
  const server = keep(router({ messageBytesMax: 200_000_000 }));
  echo(server);
  const theirs = keep(new zmq.Dealer({ receiveTimeout: 20_000, linger: 0 }));
  theirs.connect(await server.bind("tcp://127.0.0.1:*"));
  await theirs.send(body);
  const [back] = await theirs.receive();
  expect(back?.equals(body)).toBe(true);
});

it.each(["ours", "libzmq"] as const)(
  "messages keep their order, and none comes twice, while %s comes and goes",
  async (who) => {
    const name = endpoints.ipc();
    const got: number[] = [];
    const source = keep(push({ reconnect: { firstMs: 1, maxMs: 5 } }));
    source.connect(name);
    let sent = 0;
    const stop = new AbortController();
    const sender = (async (): Promise<void> => {
      while (!stop.signal.aborted) {
        if (source.send(String(sent)) === "sent") sent++;
        else await source.writable(stop.signal).catch(() => undefined);
        if (sent % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    for (let round = 1; round <= 4; round++) {
      const goal = got.length + 300;
      if (who === "ours") {
        const sink = pull();
        await sink.bind(name);
        sink.onMessages((messages) => {
          for (const [frame] of messages) got.push(Number(String(frame)));
          return undefined;
        });
        await until(() => got.length >= goal);
        await sink.close({ lingerMs: 0 });
      } else {
        const sink = new zmq.Pull({ linger: 0 });
        await sink.bind(name);
        while (got.length < goal) got.push(Number(String((await sink.receive())[0])));
        sink.close();
      }
      await until(() => source.counters.disconnected === round);
    }
    stop.abort();
    await source.close({ lingerMs: 0 });
    await sender;
    // What had been handed over when a server went is lost with it, as TCP has it; what comes is in order, and once.
    expect(got.every((n, index) => index === 0 || n > (got[index - 1] ?? 0))).toBe(true);
    expect(got.at(-1)).toBeLessThan(sent);
  },
);

const python = ["python3", "/usr/bin/python3"].find(
  (command) => spawnSync(command, ["-c", "import zmq"], { stdio: "ignore" }).status === 0,
);
if (python === undefined)
  console.warn(
    "SKIPPED: interoperability with pyzmq, because python3-zmq is not installed (apt-get install python3-zmq)",
  );

describe.skipIf(python === undefined)("with pyzmq", () => {
  const program = `
import select, sys, zmq
kind, how, endpoint = sys.argv[1:4]
socket = zmq.Context().socket(getattr(zmq, kind))
socket.linger = 0
if how == "serve":
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    print(port, flush=True)
    while True:
        socket.send_multipart(socket.recv_multipart())
socket.connect(endpoint)
bodies = [[b"x"], [b""], [b"a", b"", b"b"], [b"y" * 256], [b"z" * (1 << 20)]]
if how == "source":
    # What a PUB sends before it knows of the subscription is lost: until we are told that one has arrived.
    while kind.endswith("PUB") and not select.select([sys.stdin], [], [], 0.01)[0]:
        socket.send_multipart([b"sync"])
    for body in bodies:
        socket.send_multipart(body)
    socket.linger = 5000
    context = socket.context
    socket.close()
    # At its exit pyzmq waits for nothing by itself.
    context.term()
    sys.exit()
if how == "sink":
    if kind == "SUB": socket.subscribe(b"")
    if kind == "XSUB": socket.send(b"\\x01")
    for body in bodies:
        assert socket.poll(5000), "nothing came"
        assert socket.recv_multipart() == body
    print("same", flush=True)
    sys.exit()
for body in bodies:
    socket.send_multipart(body)
    assert socket.poll(5000), "no reply"
    assert socket.recv_multipart() == body
print("same", flush=True)
`;
  const children: ReturnType<typeof spawn>[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) {
      child.kill("SIGKILL");
      // What it still had to say is not read: the pipe would stay open.
      child.stdout?.destroy();
    }
  });

  const pythonBodies = [["x"], [""], ["a", "", "b"], ["y".repeat(256)], ["z".repeat(1 << 20)]];
  const start = (kind: string, how: string, endpoint: string): ChildProcessByStdio<Writable, Readable, null> => {
    const child = spawn(python ?? "", ["-c", program, kind, how, endpoint], { stdio: ["pipe", "pipe", "inherit"] });
    children.push(child);
    return child;
  };
  const run = async (kind: string, how: string, endpoint: string): Promise<string> => {
    const child = start(kind, how, endpoint);
    for await (const line of createInterface(child.stdout)) return line;
    throw new Error("the Python peer ended without a word");
  };

  it.each([
    ["REQ", "REP", () => reply()],
    ["REQ", "ROUTER", () => router()],
    ["DEALER", "ROUTER", () => router()],
    ["DEALER", "DEALER", () => dealer()],
  ] as const)("its %s talks to our %s", async (kind, _ours, make) => {
    const server = keep(make());
    echo(server);
    expect(await run(kind, "connect", await server.bind("tcp://127.0.0.1:*"))).toBe("same");
  });

  it.each([
    ["REQ", "REP", () => request()],
    ["REQ", "ROUTER", () => request()],
    ["DEALER", "ROUTER", () => dealer()],
    ["DEALER", "DEALER", () => dealer()],
  ] as const)("our %s talks to its %s", async (_ours, kind, make) => {
    const client = keep(make());
    client.connect(`tcp://127.0.0.1:${await run(kind, "serve", "")}`);
    await exchangeOurs(client);
  });

  it.each([
    ["SUB", "PUB", () => publisher()],
    ["SUB", "XPUB", () => xpublisher()],
    ["XSUB", "PUB", () => publisher()],
    ["PULL", "PUSH", () => push()],
    ["PAIR", "PAIR", () => pair()],
  ] as const)("its %s receives from our %s", async (kind, _ours, make) => {
    const source = keep(make());
    const received = run(kind, "sink", await source.bind("tcp://127.0.0.1:*"));
    await source.writable(AbortSignal.timeout(10_000));
    for (const body of pythonBodies) expect(source.send(body)).toBe("sent");
    expect(await received).toBe("same");
  });

  it.each([
    ["PUB", "SUB", () => subscriber()],
    ["XPUB", "SUB", () => subscriber()],
    ["PUB", "XSUB", () => xsubscriber()],
    ["PUSH", "PULL", () => pull()],
    ["PAIR", "PAIR", () => pair()],
  ] as const)("its %s sends to our %s", async (kind, _ours, make) => {
    const sink = keep(make());
    if ("subscribe" in sink) sink.subscribe("");
    const child = start(kind, "source", await sink.bind("tcp://127.0.0.1:*"));
    const got: string[][] = [];
    while (got.length < pythonBodies.length) {
      const message = text(await sink.receive(AbortSignal.timeout(10_000)));
      if (message[0] === "sync") child.stdin.end();
      else got.push(message);
    }
    expect(got).toEqual(pythonBodies);
  });
});
