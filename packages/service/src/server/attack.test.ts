// Clients that do a pod harm without saying anything wrong: who connects and never goes on, by the hundred and by the thousand, who opens
// all that may be opened, who writes a byte now and then. A real pod, real sockets and real time; meanwhile another client calls, and
// must notice nothing.
import { connect as connectTcp, type Socket } from "node:net";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { connect } from "../client/connect.ts";
import type { Client, ConnectOptions } from "../client/types.ts";
import { curveKeyPair } from "../curve/index.ts";
import { messageType } from "../protocol/codes.ts";
import { encode } from "../protocol/frames.ts";
import { adminConnectionsMax, openFilesReserve } from "../limits.ts";
import { startChild, stopChildren } from "../testing/child.ts";

const program = `
  import { setFlagsFromString } from "node:v8";
  import { runInNewContext } from "node:vm";
  import { method, run, service, unchecked } from "@wherry/service";
  setFlagsFromString("--expose_gc");
  const collect = runInNewContext("gc");
  await run(service("target", {
    streamsMax: 20,
    topics: { news: unchecked() },
    methods: {
      echo: { http: "POST /echo", handler: (body) => body },
      rss: () => { collect(); return process.memoryUsage.rss(); },
      hang: method({ stream: "out", async *handler(_, { signal }) { yield 1; await new Promise((resolve) => signal.addEventListener("abort", resolve)); } }),
    },
  }), { http: { port: 0 } });`;

const folder = mkdtempSync(join(tmpdir(), "wherry-attack-"));
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await stopChildren();
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Pod {
  readonly pid: number;
  readonly endpoint: string;
  readonly port: number;
  readonly httpPort: number;
  readonly adminPort: number;
  /** Its `wherry_peer_drops_total` for this reason. */
  drops(reason: string): Promise<number>;
  /** Files and sockets that it has open. */
  files(): number;
}

async function pod(args: readonly string[] = [], as: readonly string[] = []): Promise<Pod> {
  const child = startChild({ program, args: ["--port", "0", "--admin-port", "0", ...args], as });
  const { endpoint, admin } = await child.listening;
  const http = child.records.map((record) => record["http"]).find((url) => typeof url === "string");
  const pid = child.process.pid ?? 0;
  const drops = async (reason: string): Promise<number> => {
    const text = await (await fetch(`${admin}/metrics`)).text();
    return Number(new RegExp(`wherry_peer_drops_total\\{[^}]*reason="${reason}"[^}]*\\} (\\d+)`).exec(text)?.[1] ?? 0);
  };
  const files = (): number => readdirSync(`/proc/${pid}/fd`).length;
  const [port, httpPort, adminPort] = [endpoint, String(http), admin].map((url) => Number(new URL(url).port)) as [
    ...[number, number, number],
  ];
  const ports = { port, httpPort, adminPort };
  return { pid, endpoint, ...ports, drops, files };
}

function clientOf({ endpoint }: Pod, options: ConnectOptions = {}): Client {
  const client = connect("target", { endpoints: [endpoint], deadlineMs: 60_000, ...options } as never) as Client;
  closing.push(() => client.close());
  return client;
}

/** Calls one after the other until it is told to stop; each is answered. */
function calling(client: Client): { stop(): Promise<number> } {
  const stopped = new AbortController();
  const done = (async () => {
    let answered = 0;
    while (!stopped.signal.aborted) expect(await client.call("echo", answered++)).toBe(answered - 1);
    return answered;
  })();
  done.catch(() => undefined);
  return {
    stop: () => {
      stopped.abort();
      return done;
    },
  };
}

async function tcp(port: number, first?: Uint8Array | string, localAddress = "127.0.0.1"): Promise<Socket> {
  const socket = connectTcp({ port, host: "127.0.0.1", localAddress }).on("error", () => undefined);
  closing.push(() => socket.destroy());
  await once(socket, "connect");
  if (first !== undefined) socket.write(first);
  socket.resume();
  return socket;
}

/** However it came to that: `events.once` would reject for the reset that came before. */
const closed = (socket: Socket): Promise<unknown> =>
  new Promise((resolve) => (socket.closed ? resolve(undefined) : socket.once("close", resolve)));

/** ZMTP's greeting, of a client that encrypts, or not (RFC 23). */
function greeting(mechanism: "NULL" | "CURVE"): Buffer {
  const bytes = Buffer.alloc(64);
  bytes[0] = 0xff;
  bytes[9] = 0x7f;
  bytes[10] = 3;
  bytes.write(mechanism, 12, "latin1");
  return bytes;
}

/** READY of a DEALER, with NULL. */
const ready = Buffer.concat([
  Buffer.from([4, 28, 5]),
  Buffer.from("READY"),
  Buffer.from([11]),
  Buffer.from("Socket-Type"),
  Buffer.from([0, 0, 0, 6]),
  Buffer.from("DEALER"),
]);
/** A message of the request protocol, of a header alone. */
const frame = ([bytes = Buffer.alloc(0)]: readonly Buffer[]): Buffer =>
  Buffer.concat([Buffer.from([0, bytes.length]), bytes]);

describe("who never goes on", () => {
  test("in the handshake is cut off in time, wherever he stops, and keeps nobody out", async () => {
    const [server, alice] = [curveKeyPair(), curveKeyPair()];
    const secret = join(folder, "server.secret");
    writeFileSync(secret, server.secretKey);
    const target = await pod(["--curve-secret-key-file", secret, "--curve-allow", alice.publicKey]);
    const curve = { serverKey: server.publicKey, secretKey: alice.secretKey };
    const calls = calling(clientOf(target, { curve }));
    const half = [
      undefined,
      Buffer.from([0xff]),
      greeting("CURVE"),
      Buffer.concat([greeting("CURVE"), Buffer.from([4, 200, 5, 72])]),
    ];
    const stuck = await Promise.all(
      Array.from({ length: 200 }, (_, index) => tcp(target.port, half[index % half.length])),
    );
    await Promise.all(stuck.map(closed));
    expect(await calls.stop()).toBeGreaterThan(0);
    expect(await target.drops("handshake-timeout")).toBe(200);
  });

  test("writes a byte of his HTTP request now and then is cut off all the same, and others are served", async () => {
    const target = await pod();
    const head = "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Slow: ";
    const slow = await Promise.all(Array.from({ length: 100 }, () => tcp(target.httpPort, head)));
    const drip = setInterval(() => {
      for (const socket of slow) socket.write("a");
    }, 200);
    closing.push(() => clearInterval(drip));
    let gone = 0;
    for (const socket of slow) void closed(socket).then(() => gone++);
    const url = `http://127.0.0.1:${target.httpPort}/echo`;
    let served = 0;
    while (gone < slow.length) {
      const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: "1" });
      expect(await answer.json()).toBe(1);
      served++;
    }
    expect(served).toBeGreaterThan(0);
  });
});

/** All that a client says until it is welcome. */
const introduced = Buffer.concat([
  greeting("NULL"),
  ready,
  frame(encode(messageType.hello, { texts: ["one of many"] })),
]);

test("who finishes ZeroMQ's handshake and never says HELLO, or never all of it, is cut off in time", async () => {
  const target = await pod();
  const calls = calling(clientOf(target));
  const unsaid = [Buffer.alloc(0), introduced.subarray(64 + ready.length, -1)];
  const silent = await Promise.all(
    Array.from({ length: 100 }, (_, index) =>
      tcp(target.port, Buffer.concat([greeting("NULL"), ready, unsaid[index % 2] ?? Buffer.alloc(0)])),
    ),
  );
  await Promise.all(silent.map(closed));
  expect(await calls.stop()).toBeGreaterThan(0);
  expect(await target.drops("silent-peer")).toBe(100);
});

test("a host that opens all connections that the process can have, at any port, gets its share, and others come in and are answered", async () => {
  // Half of what the reserve leaves is for each port, and of that three quarters for whoever comes first.
  const target = await pod([], ["sh", "-c", `ulimit -n ${openFilesReserve + 160} && exec "$@"`, "sh"]);
  const attack = async (port: number, first: Uint8Array | undefined): Promise<Socket[]> => {
    const opened: Socket[] = [];
    for (let count = 0; count < 150; count++) opened.push(await tcp(port, first, "127.0.0.2"));
    return opened;
  };
  for (const [port, first, share] of [
    [target.port, introduced, 60],
    [target.httpPort, undefined, 60],
    [target.adminPort, undefined, adminConnectionsMax * 0.75],
  ] as const) {
    const greedy = await attack(port, first);
    await expect.poll(() => greedy.filter((socket) => !socket.closed).length, { timeout: 20_000 }).toBe(share);
  }
  expect(await target.drops("silent-peer")).toBe(0);
  expect(await clientOf(target).call("echo", "let in")).toBe("let in");
  const url = `http://127.0.0.1:${target.httpPort}/echo`;
  const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: "1" });
  expect(await answer.json()).toBe(1);
});

test("thousands who connect and leave at once cost no call, and leave nothing behind", async () => {
  const target = await pod();
  const client = clientOf(target);
  await client.call("echo", "first");
  const before = { files: target.files(), rss: Number(await client.call("rss")) };
  const calls = calling(client);
  const hello = encode(messageType.hello, { texts: ["storm"] });
  const whole = Buffer.concat([greeting("NULL"), ready, frame(hello)]);
  const startMs = performance.now();
  const total = 5000;
  let left = total;
  const one = async (index: number): Promise<void> => {
    const socket = connectTcp({ port: target.port, host: "127.0.0.1" }).on("error", () => undefined);
    await once(socket, "connect");
    // Some say nothing, some half a greeting, some all that a client says; some leave in order, some do not.
    if (index % 4 > 0) socket.write(index % 4 === 1 ? whole.subarray(0, 10) : whole);
    if (index % 2 === 0) socket.destroy();
    else socket.resetAndDestroy();
    await closed(socket);
  };
  await Promise.all(
    Array.from({ length: 100 }, async () => {
      while (left > 0) await one(left--);
    }),
  );
  const rate = Math.round((total / (performance.now() - startMs)) * 1000);
  expect(await calls.stop()).toBeGreaterThan(0);
  await expect.poll(() => target.files()).toBeLessThanOrEqual(before.files + 10);
  const grown = async (): Promise<number> => Number(await client.call("rss")) - before.rss;
  await expect.poll(grown, { message: `at ${rate} connections a second` }).toBeLessThan(96 * 1024 * 1024);
});

test("who asks for ever and reads no answer is dropped, whatever he asks; who sends what means nothing is ignored; and nobody else waits", async () => {
  const target = await pod();
  const client = clientOf(target);
  const before = Number(await client.call("rss"));
  const calls = calling(client);
  const request = (method: string) => (id: number) =>
    encode(messageType.request, { id, mark: 1, number: 1000, texts: [method, "", ""] });
  const floods: readonly ((id: number) => readonly Buffer[])[] = [
    (id) => encode(messageType.ping, { id }),
    () => encode(messageType.hello, { texts: ["again"] }),
    request("nothing"),
    request("$describe"),
    (id) => encode(messageType.subscribe, { id, texts: ["news"] }),
    (id) => encode(messageType.open, { id, mark: 1, texts: ["nothing", "", ""] }),
  ];
  for (const flood of floods) {
    const socket = await tcp(target.port, introduced);
    socket.pause();
    for (let id = 1; !socket.closed; ) {
      const many = Buffer.concat(Array.from({ length: 1000 }, () => frame(flood(id++))));
      if (!socket.write(many)) await Promise.race([once(socket, "drain").catch(() => undefined), closed(socket)]);
    }
  }
  expect(await target.drops("slow-reader")).toBe(floods.length);
  const meaningless = await tcp(target.port, introduced);
  for (const kind of [messageType.cancel, messageType.end, messageType.grant, messageType.pong] as const)
    for (let round = 0; round < 50; round++) {
      const texts = kind === messageType.pong ? ["", ""] : [];
      const many = Array.from({ length: 1000 }, (_, id) =>
        frame(encode(kind, { id, mark: 255, number: 2 ** 32 - 1, texts })),
      );
      if (!meaningless.write(Buffer.concat(many))) await once(meaningless, "drain");
    }
  let heard = 0;
  meaningless.on("data", (bytes) => (heard += bytes.length));
  meaningless.write(frame(encode(messageType.ping, { id: 1 })));
  await expect.poll(() => heard).toBeGreaterThan(0);
  expect(await target.drops("protocol-violation")).toBe(0);
  meaningless.write(frame(encode(messageType.goaway, { number: 1 })));
  await closed(meaningless);
  expect(await target.drops("protocol-violation")).toBe(1);
  expect(await calls.stop()).toBeGreaterThan(0);
  expect(Number(await client.call("rss")) - before).toBeLessThan(512 * 1024 * 1024);
});

describe("who opens all that there is", () => {
  test("of streams gets three quarters, the rest is BUSY; others call and stream meanwhile, and have all when he leaves", async () => {
    const target = await pod();
    const other = clientOf(target);
    const calls = calling(other);
    const greedy = clientOf(target);
    const fateOf = (stream: ReturnType<Client["stream"]>): Promise<string> =>
      Promise.race([stream.next(), stream.result]).then(
        () => "taken",
        () => "refused",
      );
    const streams = Array.from({ length: 15 }, () => greedy.stream("hang"));
    expect(new Set(await Promise.all(streams.map(fateOf)))).toEqual(new Set(["taken"]));
    const more = Array.from({ length: 1985 }, () => greedy.stream("hang", undefined, { deadlineMs: 500 }));
    expect(new Set(await Promise.all(more.map(fateOf)))).toEqual(new Set(["refused"]));
    const results = [...streams, ...more].map(({ result }) => result.catch(String));
    const modest = clientOf(target);
    for (let own = 0; own < 3; own++) {
      const stream = modest.stream("hang");
      stream.result.catch(() => undefined);
      expect(await stream.next()).toEqual({ done: false, value: 1 });
    }
    expect(await calls.stop()).toBeGreaterThan(0);
    await greedy.close();
    await Promise.all(results);
    const late = other.stream("hang");
    expect(await late.next()).toEqual({ done: false, value: 1 });
    late.cancel();
  });

  test("subscribes again and again, or asks for more topics than there are, costs one place, and no memory", async () => {
    const target = await pod();
    const client = clientOf(target);
    const before = Number(await client.call("rss"));
    const socket = await tcp(
      target.port,
      Buffer.concat([greeting("NULL"), ready, frame(encode(messageType.hello, { texts: ["greedy"] }))]),
    );
    for (let round = 0; round < 200; round++) {
      const many = Array.from({ length: 500 }, (_, index) => {
        const id = 0x80000000 + round * 500 + index;
        const texts = [index % 2 === 0 ? "news" : `topic-${id}`];
        return frame(encode(messageType.subscribe, { id, texts }));
      });
      if (!socket.write(Buffer.concat(many))) await Promise.race([once(socket, "drain"), closed(socket)]);
    }
    type Stats = { readonly topics: { readonly news: { readonly subscribers: number } } };
    const stats = (await client.call("$stats")) as Stats;
    expect(stats.topics.news.subscribers).toBe(1);
    const grown = async (): Promise<number> => Number(await client.call("rss")) - before;
    await expect.poll(grown).toBeLessThan(128 * 1024 * 1024);
  });
});
