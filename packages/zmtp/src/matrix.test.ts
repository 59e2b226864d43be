// The interoperability matrix: every pair of socket types, either end connecting, ours with ours and with libzmq both ways round,
// over tcp and ipc, with every mechanism. `scripts/zmtp-interoperability.ts` writes docs/reference/zmtp-interoperability.md from it.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import * as zmq from "zeromq";
import {
  caseName,
  combinations,
  mechanisms,
  pairs,
  renderPage,
  type Security,
  serveZap,
  type SocketName,
  transports,
} from "./matrix.suite.ts";
import * as zmtp from "./index.ts";

type Frames = readonly Uint8Array[];

/** One end of a pair, whosever it is. */
interface End {
  bind(endpoint: string): Promise<string>;
  connect(endpoint: string): void;
  send(frames: Frames): Promise<void>;
  receive(): Promise<Frames>;
  close(): unknown;
}

const waitMs = 10_000;

class Ours implements End {
  readonly socket: zmtp.AnySocket & Partial<Pick<zmtp.Socket, "send" | "receive" | "writable"> & zmtp.Subscribing>;

  constructor(type: SocketName, options: zmtp.SocketOptions) {
    this.socket = makers[type](options);
    this.socket.subscribe?.("");
  }

  bind(endpoint: string): Promise<string> {
    return this.socket.bind(endpoint);
  }

  connect(endpoint: string): void {
    this.socket.connect(endpoint);
  }

  async send(frames: Frames): Promise<void> {
    if (this.socket.type === "ROUTER") {
      // It says `no-peer` until that peer has connected.
      await expect.poll(() => this.socket.send?.(frames), { timeout: waitMs, interval: 5 }).toBe("sent");
      return;
    }
    // A publisher says `no-peer` until somebody has subscribed.
    const isPublisher = /PUB/.test(this.socket.type);
    for (let answer = this.socket.send?.(frames); answer !== "sent"; answer = this.socket.send?.(frames)) {
      if (isPublisher && answer === "no-peer") return;
      await this.socket.writable?.(AbortSignal.timeout(waitMs));
    }
  }

  async receive(): Promise<Frames> {
    return (await this.socket.receive?.(AbortSignal.timeout(waitMs))) ?? [];
  }

  close(): unknown {
    return this.socket.close({ lingerMs: 50 });
  }
}

const makers = {
  REQ: zmtp.request,
  REP: zmtp.reply,
  DEALER: zmtp.dealer,
  ROUTER: zmtp.router,
  PUB: zmtp.publisher,
  SUB: zmtp.subscriber,
  XPUB: zmtp.xpublisher,
  XSUB: zmtp.xsubscriber,
  PUSH: zmtp.push,
  PULL: zmtp.pull,
  PAIR: zmtp.pair,
};

class Theirs implements End {
  readonly socket: zmq.Socket & { send?: (frames: Buffer[]) => Promise<void>; receive?: () => Promise<Buffer[]> };

  constructor(type: SocketName, options: object) {
    const socket = new natives[type]({ linger: 0, ...options });
    if ("receiveTimeout" in socket) socket.receiveTimeout = waitMs;
    this.socket = socket;
    if (socket instanceof zmq.Subscriber) socket.subscribe("");
    if (socket instanceof zmq.XSubscriber) void socket.send(Buffer.from([1]));
  }

  async bind(endpoint: string): Promise<string> {
    await this.socket.bind(endpoint);
    return this.socket.lastEndpoint ?? "";
  }

  connect(endpoint: string): void {
    this.socket.connect(endpoint);
  }

  async send(frames: Frames): Promise<void> {
    await this.socket.send?.(frames as Buffer[]);
  }

  async receive(): Promise<Frames> {
    return (await this.socket.receive?.()) ?? [];
  }

  close(): unknown {
    this.socket.close();
    return undefined;
  }
}

const natives = {
  REQ: zmq.Request,
  REP: zmq.Reply,
  DEALER: zmq.Dealer,
  ROUTER: zmq.Router,
  PUB: zmq.Publisher,
  SUB: zmq.Subscriber,
  XPUB: zmq.XPublisher,
  XSUB: zmq.XSubscriber,
  PUSH: zmq.Push,
  PULL: zmq.Pull,
  PAIR: zmq.Pair,
};

/** Frames of every size where something changes: empty, one byte, short and long lengths, copied or not, many reads. */
const bodies: readonly Frames[] = [
  [Buffer.from("x")],
  [Buffer.alloc(255, 2)],
  [Buffer.alloc(256, 3)],
  [Buffer.from("a"), Buffer.alloc(0), Buffer.from("b")],
  [Buffer.alloc(0)],
  [Buffer.alloc(8_192, 4), Buffer.alloc(8_193, 5)],
  [Buffer.alloc(300_000, 6), Buffer.alloc(0), Buffer.alloc(1, 7)],
];

function same(got: Frames, sent: Frames): void {
  expect(got.map((frame) => frame.length)).toEqual(sent.map((frame) => frame.length));
  expect(Buffer.concat(got).equals(Buffer.concat(sent))).toBe(true);
}

/** The first asks, the second echoes. */
async function echoes(first: End, second: End): Promise<void> {
  for (const body of bodies) {
    const echo = second.receive().then((message) => second.send(message));
    await first.send(body);
    same(await first.receive(), body);
    await echo;
  }
}

/** The first sends, the second receives. */
async function streams(first: End, second: End): Promise<void> {
  for (const body of bodies) {
    await first.send(body);
    same(await second.receive(), body);
  }
}

/** As a stream, once the subscription has arrived: libzmq's PUB does not tell. */
async function publishes(first: End, second: End): Promise<void> {
  const sync = Buffer.from("sync");
  let arrived = false;
  const received = second.receive().then((message) => {
    arrived = true;
    return message;
  });
  await expect
    .poll(
      async () => {
        await first.send([sync]);
        return arrived;
      },
      { timeout: waitMs, interval: 5 },
    )
    .toBe(true);
  same(await received, [sync]);
  for (const body of bodies) {
    await first.send(body);
    let message = await second.receive();
    while (message.length === 1 && Buffer.from(message[0] ?? []).equals(sync)) message = await second.receive();
    same(message, body);
  }
}

/** ROUTERs know each other by id; the first greets until the other, once connected, takes it. */
async function routes(first: End, second: End): Promise<void> {
  const id = Buffer.from("second");
  let arrived = false;
  const received = second.receive().then((message) => {
    arrived = true;
    return message;
  });
  await expect
    .poll(
      async () => {
        await first.send([id, Buffer.from("greeting")]).catch(() => undefined);
        return arrived;
      },
      { timeout: waitMs, interval: 5 },
    )
    .toBe(true);
  expect(String((await received)[1])).toBe("greeting");
  await second.send([Buffer.from("first"), Buffer.from("back")]);
  const [from, body] = await first.receive();
  expect([String(from), String(body)]).toEqual(["second", "back"]);
  for (const frames of bodies) {
    await first.send([id, ...frames]);
    let [, ...got] = await second.receive();
    while (String(got[0]) === "greeting") [, ...got] = await second.receive();
    same(got, frames);
  }
}

/** REP needs an empty delimiter, and gives it back. */
async function envelope(first: End, second: End): Promise<void> {
  const delimiter = Buffer.alloc(0);
  const wrapped: End = {
    ...first,
    bind: (endpoint) => first.bind(endpoint),
    connect: (endpoint) => first.connect(endpoint),
    close: () => first.close(),
    send: (frames) => first.send([delimiter, ...frames]),
    receive: async () => {
      const [empty, ...rest] = await first.receive();
      expect(empty?.length).toBe(0);
      return rest;
    },
  };
  await echoes(wrapped, second);
}

const directory = mkdtempSync(join(tmpdir(), "zmtp-"));
const open: End[] = [];
afterEach(async () => {
  for (const end of open.splice(0)) await end.close();
});
afterAll(() => rmSync(directory, { recursive: true }));

let sockets = 0;
const endpoints = { tcp: () => "tcp://127.0.0.1:*", ipc: () => `ipc://${join(directory, `${++sockets}.sock`)}` };

const whose = { ours: Ours, libzmq: Theirs };

function exchangeOf([first, second]: readonly [SocketName, SocketName]): (one: End, two: End) => Promise<void> {
  if (first === "ROUTER") return routes;
  if (first.endsWith("PUB")) return publishes;
  if (first === "PUSH") return streams;
  return first === "DEALER" && second === "REP" ? envelope : echoes;
}

function make(who: keyof typeof whose, type: SocketName, security: Security, binds: boolean, routingId: string): End {
  const options = binds ? security[who].server : security[who].client;
  const end = new whose[who](type, type === "ROUTER" ? { routingId, ...options } : options);
  open.push(end);
  return end;
}

const page = new Map<string, boolean>();

for (const mechanism of Object.keys(mechanisms) as (keyof typeof mechanisms)[])
  describe(mechanism, () => {
    const security = mechanisms[mechanism];
    let stopZap: (() => void) | undefined;
    beforeAll(async () => {
      if (mechanism === "PLAIN") stopZap = await serveZap();
    });
    afterAll(() => stopZap?.());

    for (const transport of transports)
      for (const pair of pairs)
        for (const [whoFirst, whoSecond] of combinations)
          for (const connecting of ["first", "second"] as const) {
            const name = caseName(mechanism, transport, pair, [whoFirst, whoSecond], connecting);
            page.set(name, true);
            it(name, async () => {
              const one = make(whoFirst, pair[0], security, connecting === "second", "first");
              const two = make(whoSecond, pair[1], security, connecting === "first", "second");
              const [binder, connector] = connecting === "first" ? [two, one] : [one, two];
              connector.connect(await binder.bind(endpoints[transport]()));
              await exchangeOf(pair)(one, two);
            });
          }
  });

it("the page in the docs is that of a run without failure", () => {
  const file = new URL("../../../docs/reference/zmtp-interoperability.md", import.meta.url);
  expect(readFileSync(file, "utf8"), "write it: npm run interoperability -w packages/zmtp").toBe(renderPage(page));
});
