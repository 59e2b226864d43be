import { type Logger, silentLogger } from "@wherry/core";
import { VirtualClock } from "@wherry/core/testing";
import { afterEach, describe, expect, test } from "vitest";
import { ServiceError } from "../errors.ts";
import { drainPollMs } from "../limits.ts";
import { contentType, fate, messageType, serverState } from "../protocol/codes.ts";
import { bytesOfText, decodeContent, type TextContent } from "../protocol/content.ts";
import { type Decoded, decode, encode } from "../protocol/frames.ts";
import type { Methods, ServiceDefinition } from "../service.ts";
import type { RequestContext } from "../handler.ts";
import { service } from "../define.ts";
import { type MemoryDealer, MemoryNetwork } from "../testing/memory-network.ts";
import type { Ending } from "./hand-back.ts";
import { Server } from "./server.ts";

const servers: Server[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

/** A peer that speaks the protocol by hand. */
class Peer {
  readonly got: Decoded[] = [];
  readonly raw: (readonly Uint8Array[])[] = [];
  gone = false;
  readonly socket: MemoryDealer;

  constructor(network: MemoryNetwork) {
    this.socket = network.dealer();
    this.socket.onMessages((messages) => {
      for (const message of messages) {
        const decoded = decode(message);
        if (typeof decoded === "string") this.raw.push(message);
        else this.got.push(decoded);
      }
      return undefined;
    });
    this.socket.on("disconnect", () => (this.gone = true));
    this.socket.connect("tcp://server");
  }

  hello(): this {
    this.socket.send(encode(messageType.hello, { texts: ["test"] }));
    return this;
  }

  request(id: number, method: string, body: unknown, deadlineMs = 1000): this {
    const header = { id, number: deadlineMs, mark: 1, texts: [method, "", ""], content: contentType.json };
    this.socket.send(encode(messageType.request, header, Buffer.from(JSON.stringify(body))));
    return this;
  }

  /** Answers so far: value, or code and fate. */
  get answers(): unknown[] {
    return this.got.flatMap(({ header, body }) => {
      if (header.type === messageType.reply) return [[header.id, decodeContent(header.content, body)]];
      return header.type === messageType.error ? [[header.id, header.texts[0], header.mark]] : [];
    });
  }

  /** Messages of the errors so far. */
  get messages(): unknown[] {
    return this.got.flatMap(({ header, body }) =>
      header.type === messageType.error ? [(decodeContent(header.content, body) as { message: unknown }).message] : [],
    );
  }

  get types(): number[] {
    return this.got.map(({ header }) => header.type);
  }
}

async function start<const M extends Methods>(definition: ServiceDefinition<M>, log: Logger = silentLogger) {
  const network = new MemoryNetwork();
  const clock = new VirtualClock();
  const router = network.router();
  const crashes: Ending[] = [];
  const server = new Server(router, service("test", definition), {
    clock,
    log,
    instance: "uid-1",
    onCrash: (ending) => crashes.push(ending),
  });
  servers.push(server);
  await server.listen("tcp://server");
  const peer = async (): Promise<Peer> => {
    const made = new Peer(network);
    await expect.poll(() => made.socket.connection).toBeDefined();
    return made;
  };
  return { network, clock, router, server, crashes, peer };
}

/** A handler that ends when the test says so. */
function gate(): {
  readonly handler: (body: unknown) => Promise<unknown>;
  readonly open: () => void;
  started: unknown[];
} {
  const waiting: (() => void)[] = [];
  const started: unknown[] = [];
  return {
    started,
    handler: (body) => {
      started.push(body);
      return new Promise((resolve) => waiting.push(() => resolve(body)));
    },
    open: () => waiting.shift()?.(),
  };
}

describe("serving", () => {
  test("a peer that says HELLO learns the service, its instance, and its credit, and gets its answers", async () => {
    const { peer } = await start({ methods: { echo: (body: unknown) => body, later: async (body: unknown) => body } });
    const client = (await peer())
      .hello()
      .request(1, "echo", { a: [1] })
      .request(2, "later", "x");
    await expect
      .poll(() => client.answers)
      .toEqual([
        [1, { a: [1] }],
        [2, "x"],
      ]);
    const welcome = client.got[0];
    expect(welcome?.header).toMatchObject({ type: messageType.welcome, texts: ["test", "uid-1"], number: 16 });
    expect(decodeContent(contentType.json, welcome?.body)).toEqual({
      version: "",
      idempotent: ["$ping", "$describe", "$openapi", "$stats"],
      keyed: [],
    });
  });

  test("handlers run one after the other unless told otherwise", async () => {
    const [serial, parallel] = [gate(), gate()];
    const one = await start({ methods: { wait: serial.handler } });
    const two = await start({ methods: { wait: parallel.handler }, concurrency: 2 });
    (await one.peer()).hello().request(1, "wait", 1).request(2, "wait", 2).request(3, "wait", 3);
    const client = (await two.peer()).hello().request(1, "wait", 1).request(2, "wait", 2).request(3, "wait", 3);
    await expect.poll(() => parallel.started).toEqual([1, 2]);
    expect(serial.started).toEqual([1]);
    serial.open();
    parallel.open();
    await expect.poll(() => client.answers).toEqual([[1, 1]]);
    await expect
      .poll(() => [serial.started, parallel.started])
      .toEqual([
        [1, 2],
        [1, 2, 3],
      ]);
  });

  test("typed errors, unknown methods and bodies that are no JSON are answered; the service lives", async () => {
    const { peer, crashes } = await start({
      methods: {
        fail: () => {
          throw new ServiceError("SOLD_OUT", "nothing left", { details: { left: 0 }, fate: "not-started" });
        },
      },
    });
    const client = (await peer()).hello().request(1, "fail", 1).request(2, "nope", 1);
    const bad = { id: 3, number: 1000, mark: 1, texts: ["fail", "", ""], content: contentType.json };
    client.socket.send(encode(messageType.request, bad, Buffer.from("{")));
    await expect
      .poll(() => client.answers)
      .toEqual([
        // A handler ran: whatever fate its error came with, this request was answered.
        [2, "NOT_FOUND", fate.answered],
        [1, "SOLD_OUT", fate.answered],
        [3, "INVALID", fate.answered],
      ]);
    const details = client.got.find(({ header }) => header.texts[0] === "SOLD_OUT")?.body;
    expect(decodeContent(contentType.json, details)).toMatchObject({ message: "nothing left", details: { left: 0 } });
    expect(crashes).toEqual([]);
  });

  test("a request whose deadline passed in the queue is not started", async () => {
    const slow = gate();
    const { peer, clock } = await start({ methods: { wait: slow.handler } });
    const client = (await peer()).hello().request(1, "wait", 1).request(2, "wait", 2, 50);
    await expect.poll(() => slow.started).toEqual([1]);
    await clock.advance(60);
    slow.open();
    await expect
      .poll(() => client.answers)
      .toEqual([
        [1, 1],
        [2, "DEADLINE_EXCEEDED", fate.notStarted],
      ]);
    expect(slow.started).toEqual([1]);
  });

  test("a full queue answers BUSY with a time to come back, and still answers pings", async () => {
    const slow = gate();
    const { peer } = await start({ methods: { wait: slow.handler }, queueMax: 2 });
    const client = (await peer()).hello();
    client.request(1, "wait", 1);
    await expect.poll(() => slow.started).toEqual([1]);
    client.request(2, "wait", 2).request(3, "wait", 3).request(4, "wait", 4);
    client.socket.send(encode(messageType.ping, { id: 9 }));
    await expect.poll(() => client.answers).toEqual([[4, "BUSY", fate.notStarted]]);
    expect(client.got.find(({ header }) => header.texts[0] === "BUSY")?.header.number).toBeGreaterThan(0);
    await expect
      .poll(() => client.got.at(-1)?.header)
      .toMatchObject({ type: messageType.pong, id: 9, mark: serverState.overloaded, texts: ["test", "uid-1"] });
  });

  test("a cancelled request that waits is never started; one that runs is told", async () => {
    const seen: boolean[] = [];
    const slow = gate();
    const { peer } = await start({
      methods: {
        wait: (body: unknown, { signal }) => {
          signal.addEventListener("abort", () => seen.push(true));
          return slow.handler(body);
        },
      },
    });
    const client = (await peer()).hello().request(1, "wait", 1).request(2, "wait", 2);
    await expect.poll(() => slow.started).toEqual([1]);
    for (const id of [1, 2, 77]) client.socket.send(encode(messageType.cancel, { id }));
    await expect.poll(() => client.answers).toEqual([[2, "CANCELLED", fate.notStarted]]);
    expect(seen).toEqual([true]);
    slow.open();
    await expect.poll(() => client.answers.at(-1)).toEqual([1, 1]);
    expect(slow.started).toEqual([1]);
  });

  test("schemas: an invalid body is INVALID from outside, and a crash from inside", async () => {
    const positive = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: (value: unknown) =>
          typeof value === "number" && value > 0 ? { value } : { issues: [{ message: "not positive", path: ["n"] }] },
      },
    } as const;
    const handler = (body: number): number => body * 2;
    const { peer, crashes } = await start({
      methods: {
        outside: { input: positive, handler },
        inside: { input: positive, handler, trust: "internal" },
      },
    });
    const client = (await peer()).hello().request(1, "outside", 2).request(2, "outside", -1);
    await expect
      .poll(() => client.answers)
      .toEqual([
        [1, 4],
        [2, "INVALID", fate.answered],
      ]);
    client.request(3, "inside", -1);
    await expect.poll(() => client.answers.at(-1)).toEqual([3, "ABORTED", fate.maybeExecuted]);
    expect(crashes[0]?.error?.message).toMatch(/trusted as internal, got an invalid body/);
  });
});

describe("a handler that stops because its signal aborts", () => {
  const ways: readonly [string, (signal: AbortSignal) => Error][] = [
    ["throws the signal's reason", (signal) => signal.reason as Error],
    ["throws an AbortError, as Node's functions do", () => new DOMException("aborted", "AbortError")],
    ["throws an error whose cause is the reason", ({ reason }) => new Error("the query failed", { cause: reason })],
  ];
  const stopping = (how: (signal: AbortSignal) => Error) => ({
    methods: {
      wait: (_body: unknown, { signal }: RequestContext) =>
        new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(how(signal)))),
    },
  });

  test.each(ways)("%s: at the deadline that is DEADLINE_EXCEEDED, no crash", async (_what, how) => {
    const { peer, clock, server, crashes } = await start(stopping(how));
    const client = (await peer()).hello().request(1, "wait", null, 100);
    await expect.poll(() => server.executor.running).toBe(1);
    await clock.advance(101);
    await expect.poll(() => client.answers).toEqual([[1, "DEADLINE_EXCEEDED", fate.maybeExecuted]]);
    expect(crashes).toEqual([]);
  });

  test.each(ways)("%s: after a cancellation that is CANCELLED, no crash", async (_what, how) => {
    const { peer, server, crashes } = await start(stopping(how));
    const client = (await peer()).hello().request(1, "wait", null);
    await expect.poll(() => server.executor.running).toBe(1);
    client.socket.send(encode(messageType.cancel, { id: 1 }));
    await expect.poll(() => client.answers).toEqual([[1, "CANCELLED", fate.maybeExecuted]]);
    expect(crashes).toEqual([]);
  });

  test("an AbortError of something else is a bug like any other", async () => {
    const fail = (): never => {
      throw new DOMException("aborted", "AbortError");
    };
    const { peer, crashes } = await start({ methods: { fail } });
    (await peer()).hello().request(1, "fail", null);
    await expect.poll(() => crashes).toMatchObject([{ reason: "crashed", method: "fail" }]);
  });
});

describe("plain ZeroMQ peers", () => {
  test("get the raw handler, with and without REQ's delimiter, in line with requests", async () => {
    const { peer } = await start({ raw: (frames) => frames });
    const [req, dealer] = [await peer(), await peer()];
    req.socket.send(["", "hi"]);
    dealer.socket.send(["a", "", "b"]);
    await expect
      .poll(() => [...req.raw, ...dealer.raw].map((frames) => frames.map(String)))
      .toEqual([
        ["", "hi"],
        ["a", "", "b"],
      ]);
  });

  test("are dropped with a count when the service takes none", async () => {
    const { peer, server } = await start({ methods: { echo: (body: unknown) => body } });
    const req = await peer();
    req.socket.send(["", "hi"]);
    await expect.poll(() => req.gone).toBe(true);
    expect(server.metrics.faults["no-raw-handler"]).toBe(1);
    expect(server.metrics.raw.dropped).toBe(1);
  });

  test("whoever is turned away gets the reason as its answer, and the log one warning a minute", async () => {
    const warnings: unknown[] = [];
    const log = { ...silentLogger, warn: (fields: object, message: string) => warnings.push({ ...fields, message }) };
    const { peer, clock } = await start({ methods: { echo: (body: unknown) => body } }, log);
    const [req, dealer] = [await peer(), await peer()];
    req.socket.send(["", "hi"]);
    dealer.socket.send(["hi"]);
    const reason = /^service test has no raw handler, only methods/;
    await expect.poll(() => dealer.messages).toEqual([expect.stringMatching(reason)]);
    await expect.poll(() => req.raw.map(([delimiter]) => delimiter?.length)).toEqual([0]);
    expect(String(req.raw[0]?.[2])).toContain("has no raw handler");
    const warned = { message: expect.stringContaining("a plain ZeroMQ peer was turned away: service test has no") };
    expect(warnings).toEqual([expect.objectContaining({ ...warned, peer: "memory://1", refused: 1 })]);
    await clock.advance(60_000);
    (await peer()).socket.send("hi");
    await expect.poll(() => warnings).toEqual([expect.anything(), expect.objectContaining({ ...warned, refused: 3 })]);
  });
});

describe("peers that break the protocol", () => {
  const request = encode(messageType.request, { id: 1, number: 1, texts: ["echo", "", ""] });
  const broken: readonly [string, (peer: Peer) => unknown, "malformed-message" | "protocol-violation"][] = [
    ["a header cut short", ({ socket }) => socket.send(request[0]?.subarray(0, 20) ?? ""), "malformed-message"],
    ["three frames", ({ socket }) => socket.send([...request, "a", "b"]), "malformed-message"],
    ["a request before HELLO", ({ socket }) => socket.send(request), "protocol-violation"],
    [
      "a server's message",
      (peer) => peer.hello().socket.send(encode(messageType.welcome, { texts: ["", ""] })),
      "protocol-violation",
    ],
    ["an id twice", (peer) => peer.hello().request(1, "wait", 1).request(1, "wait", 1), "protocol-violation"],
    ["a raw message after HELLO", (peer) => peer.hello().socket.send("hi"), "protocol-violation"],
  ];
  test.each(broken)("%s: that peer is dropped and counted, others are served", async (_name, send, fault) => {
    const { peer, server } = await start({
      methods: { wait: gate().handler, echo: (b: unknown) => b },
      concurrency: 2,
    });
    const [bad, good] = [await peer(), await peer()];
    send(bad);
    await expect.poll(() => bad.gone).toBe(true);
    expect(server.metrics.faults[fault]).toBe(1);
    good.hello().request(1, "echo", "still here");
    await expect.poll(() => good.answers).toEqual([[1, "still here"]]);
  });

  test("another version is told so", async () => {
    const { peer } = await start({ raw: (frames) => frames });
    const client = await peer();
    const [frame = new Uint8Array()] = encode(messageType.hello, { texts: ["x"] });
    frame[4] = 9;
    client.socket.send([frame]);
    await expect.poll(() => client.answers).toEqual([[0, "VERSION", fate.notStarted]]);
  });
});

describe("crash", () => {
  test("aborts what runs, refuses what waits, tells once, and ends", async () => {
    const slow = gate();
    const { peer, server, crashes } = await start({
      methods: {
        wait: slow.handler,
        bug: () => {
          throw new TypeError("bug");
        },
      },
      concurrency: 2,
    });
    const client = (await peer()).hello().request(1, "wait", 1).request(2, "bug", 2).request(3, "wait", 3);
    const ending = await server.ended;
    expect(ending).toMatchObject({ reason: "crashed", aborted: 2, refused: 1, error: { message: "bug" } });
    expect(client.answers).toEqual([
      [3, "REFUSED", fate.notStarted],
      [1, "ABORTED", fate.maybeExecuted],
      [2, "ABORTED", fate.maybeExecuted],
    ]);
    server.crash(new Error("again"));
    expect(crashes).toHaveLength(1);
  });

  const cycle: Record<string, unknown> = {};
  cycle["self"] = cycle;
  test.each([
    ["a bigint", 10n, /^method get returned what JSON cannot hold \(Do not know how to serialize a BigInt\); return/],
    ["a cycle", cycle, /^method get returned what JSON cannot hold \(Converting circular structure to JSON\); return/],
    ["a function", () => 1, /^method get returned what JSON cannot hold \(body: expected a JSON value.*\); return/],
  ])("a result that cannot travel, %s, names its method and the reason", async (_name, result, message) => {
    const { peer, server } = await start({ methods: { get: () => result, later: async () => result } });
    (await peer()).hello().request(1, "get", 1);
    expect(await server.ended).toMatchObject({
      reason: "crashed",
      method: "get",
      error: { code: "SERVICE_RESULT_INVALID", message: expect.stringMatching(message) },
    });
    const again = await start({ methods: { get: async () => result } });
    (await again.peer()).hello().request(1, "get", 1);
    expect(await again.server.ended).toMatchObject({ method: "get", error: { code: "SERVICE_RESULT_INVALID" } });
  });

  test.each([
    [
      "internal",
      "method bug crashed the service while the request ran; it may have had its effect; it threw: secret 1",
    ],
    [
      "external",
      "method bug crashed the service while the request ran; it may have had its effect; the service's log says why",
    ],
  ] as const)(
    "a caller that is trusted as internal learns what was thrown; others don't: %s",
    async (trust, message) => {
      const handler = (): never => {
        throw new TypeError("secret 1\nsecond line");
      };
      const { peer, server } = await start({ methods: { bug: { trust, handler } } });
      const client = (await peer()).hello().request(1, "bug", 1);
      await server.ended;
      expect(client.messages).toEqual([message]);
    },
  );

  test("names the method of what was thrown, also of what has no text: that once escaped as another error", async () => {
    const thrown = Object.create(null) as Error;
    const { peer, crashes } = await start({
      methods: {
        odd: () => {
          throw thrown;
        },
      },
    });
    const client = (await peer()).hello().request(1, "odd", null);
    await expect.poll(() => client.answers).toEqual([[1, "ABORTED", fate.maybeExecuted]]);
    expect(crashes).toMatchObject([{ method: "odd", error: { message: "thrown: an object that has no text" } }]);
  });
});

describe("drain", () => {
  const times = { timeoutMs: 5000, minimumMs: 0 };

  test("tells every peer, and later ones, stays until each said BYE, and serves what still comes", async () => {
    const { peer, server, clock } = await start({ methods: { echo: (body: unknown) => body } });
    const early = (await peer()).hello();
    await expect.poll(() => early.types).toEqual([messageType.welcome]);
    const drained = server.drain(times);
    await expect.poll(() => early.types).toEqual([messageType.welcome, messageType.goaway]);
    expect(server.state).toBe("draining");
    const late = (await peer()).hello();
    await expect.poll(() => late.types).toEqual([messageType.welcome, messageType.goaway]);
    early.request(1, "echo", "still served");
    await expect.poll(() => early.answers).toEqual([[1, "still served"]]);
    early.socket.send(encode(messageType.bye, {}));
    await clock.advance(100);
    expect(server.state).toBe("draining");
    late.socket.send(encode(messageType.bye, {}));
    await clock.advance(2 * drainPollMs);
    expect(await drained).toMatchObject({ reason: "drained", refused: 0, aborted: 0 });
  });

  test("ends at once when nobody is there, and after the minimum when one is asked for", async () => {
    const [one, two] = [await start({ raw: (frames) => frames }), await start({ raw: (frames) => frames })];
    expect(await one.server.drain(times)).toMatchObject({ reason: "drained" });
    const drained = two.server.drain({ timeoutMs: 5000, minimumMs: 1000 });
    await two.clock.advance(990);
    expect(two.server.state).toBe("draining");
    await two.clock.advance(20);
    expect(await drained).toMatchObject({ reason: "drained" });
  });

  test("waits for a raw peer only as long as it talks", async () => {
    const { peer, server, clock } = await start({ raw: (frames) => frames });
    const req = await peer();
    req.socket.send(["", "hi"]);
    await expect.poll(() => req.raw).toHaveLength(1);
    const drained = server.drain(times);
    await clock.advance(50);
    expect(server.state).toBe("draining");
    await clock.advance(100);
    expect(await drained).toMatchObject({ reason: "drained" });
  });

  test("at its deadline hands back what is left, with the counts", async () => {
    const slow = gate();
    const { peer, server, clock } = await start({ methods: { wait: slow.handler } });
    const client = (await peer()).hello().request(1, "wait", 1, 60_000).request(2, "wait", 2, 60_000);
    await expect.poll(() => slow.started).toEqual([1]);
    const drained = server.drain(times);
    await clock.advance(5100);
    expect(await drained).toMatchObject({ reason: "deadline", refused: 1, aborted: 1 });
    expect(client.answers).toEqual([
      [2, "REFUSED", fate.notStarted],
      [1, "ABORTED", fate.maybeExecuted],
    ]);
  });
});

describe("a caller that is no ZeroMQ peer", () => {
  const incoming = { id: 7, method: "echo", key: "", trace: "", attempt: 1, content: contentType.json, withinMs: 1000 };
  const body = Buffer.from('"hi"');

  function caller() {
    const answers: unknown[] = [];
    const reply = (id: number, text: TextContent): void => {
      const { content, body: bytes } = bytesOfText(text);
      answers.push([id, decodeContent(content, bytes)]);
    };
    const fail = (id: number, error: ServiceError): void => void answers.push([id, error.code, error.fate]);
    return { answers, address: "test", reply, fail };
  }

  test("gets the answer, or why there is none, under its own number", async () => {
    const { server } = await start({ methods: { echo: (value: unknown) => value } });
    const asking = caller();
    server.take({ ...incoming, body }, asking);
    server.take({ ...incoming, id: 8, method: "nope", body }, asking);
    server.take({ ...incoming, id: 9, withinMs: 0, body }, asking);
    await expect.poll(() => asking.answers).toHaveLength(3);
    expect(asking.answers).toEqual([
      [7, "hi"],
      [8, "NOT_FOUND", "answered"],
      [9, "DEADLINE_EXCEEDED", "not-started"],
    ]);
  });

  test("is handed back what waits when the service crashes", async () => {
    const slow = gate();
    const { server } = await start({ methods: { echo: slow.handler } });
    const asking = caller();
    server.take({ ...incoming, body }, asking);
    server.take({ ...incoming, id: 8, body }, asking);
    server.crash(new Error("bug"));
    expect(asking.answers).toEqual([
      [8, "REFUSED", "not-started"],
      [7, "ABORTED", "maybe-executed"],
    ]);
  });

  test("has a source that the drain tells, waits for, and closes", async () => {
    const { server, clock } = await start({ methods: { echo: (value: unknown) => value } });
    const told: string[] = [];
    const source = {
      quiet: false,
      leave: () => void told.push("leave"),
      close: async () => void told.push("close"),
    };
    server.attach(source);
    const drained = server.drain({ timeoutMs: 5000, minimumMs: 0 });
    await clock.advance(1000);
    expect(server.state).toBe("draining");
    source.quiet = true;
    await clock.advance(2 * drainPollMs);
    expect(await drained).toMatchObject({ reason: "drained" });
    expect(told).toEqual(["leave", "close"]);
  });
});
