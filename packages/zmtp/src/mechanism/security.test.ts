// What PLAIN and CURVE do to sockets: who comes in, who does not, and what each side is told of it.
import { connect, createServer, type Server } from "node:net";
import { VirtualClock } from "@wherry/core/testing";
import { afterEach, describe, expect, it } from "vitest";
import * as zmq from "zeromq";
import { echo, RawPeer, text, until } from "../harness.suite.ts";
import {
  allowUsers,
  type Authenticate,
  dealer,
  type PlainCredentials,
  plainClient,
  plainServer,
  reply,
  router,
  type Security,
  type Socket,
  type SocketOptions,
} from "../index.ts";
import { encodeCommand } from "../wire/command.ts";
import { encodeGreeting } from "../wire/greeting.ts";
import { allowKeys, curveClient, curveKeyPair, curveServer } from "./curve.ts";

const open: (() => unknown)[] = [];
const keep = <T extends { close: () => unknown }>(socket: T): T => {
  open.push(() => socket.close());
  return socket;
};
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

const serverKeys = curveKeyPair();
const clientKeys = curveKeyPair();
const password = "correct horse";
const user = { username: "admin", password };
const plain = plainClient(user);
const curve = curveClient({ serverKey: serverKeys.publicKey, ...clientKeys });

interface Told {
  readonly socket: Socket;
  /** `reason: detail` of each drop. */
  readonly drops: string[];
}

function told<T extends Socket>(socket: T): { socket: T; drops: string[] } {
  const drops: string[] = [];
  socket.on("drop", (_address, reason, detail) => drops.push(`${reason}: ${detail}`));
  return { socket: keep(socket), drops };
}

async function serve(security: Security | undefined, more: SocketOptions = {}): Promise<Told & { endpoint: string }> {
  const { socket, drops } = told(router(security === undefined ? more : { ...more, security }));
  echo(socket);
  return { socket, drops, endpoint: await socket.bind("tcp://127.0.0.1:*") };
}

function join(endpoint: string, security: Security | undefined): Told {
  // Comes back so late that a test sees one try.
  const reconnect = { firstMs: 60_000, maxMs: 60_000 };
  const { socket, drops } = told(dealer(security === undefined ? { reconnect } : { reconnect, security }));
  socket.connect(endpoint);
  return { socket, drops };
}

async function expectEcho(client: Socket): Promise<void> {
  await client.writable(AbortSignal.timeout(5_000));
  expect(client.send("hello")).toBe("sent");
  expect(text(await client.receive(AbortSignal.timeout(5_000)))).toEqual(["hello"]);
}

const plainServing = (authenticate: Authenticate<PlainCredentials>, authenticateTimeoutMs = 5_000): Security =>
  plainServer({ authenticate, authenticateTimeoutMs });

describe("authenticate", () => {
  it("is asked with what the peer has proven, and its user id is the peer's", async () => {
    const asked: object[] = [];
    const security = curveServer({
      ...serverKeys,
      authenticate: ({ signal, ...credentials }) => {
        expect(signal.aborted).toBe(false);
        asked.push(credentials);
        return { userId: "alice" };
      },
    });
    const server = await serve(security);
    const client = keep(dealer({ security: curve, routingId: "me" }));
    client.connect(server.endpoint);
    await expectEcho(client);
    const [peer] = server.socket.peers.values();
    expect(peer?.userId).toBe("alice");
    expect(asked).toEqual([
      {
        mechanism: "CURVE",
        address: peer?.address,
        publicKey: expect.any(Uint8Array) as Uint8Array,
        publicKeyText: clientKeys.publicKey,
        metadata: new Map([
          ["Socket-Type", "DEALER"],
          ["Identity", "me"],
        ]),
      },
    ]);
  });

  it("may take its time", async () => {
    let admit: (verdict: boolean) => void = () => undefined;
    const server = await serve(plainServing(() => new Promise((resolve) => (admit = resolve))));
    const client = join(server.endpoint, plain);
    await until(() => server.socket.counters.bytesIn > 64);
    expect(server.socket.peers.size).toBe(0);
    admit(true);
    await expectEcho(client.socket);
  });

  it.each<[string, Authenticate<PlainCredentials>, string]>([
    ["false", () => false, "authenticate said no"],
    ["a promise of false", () => Promise.resolve(false), "authenticate said no"],
    ["nothing", () => undefined as unknown as boolean, "authenticate said no"],
    ["something true that is not true", () => 1 as unknown as boolean, "authenticate said no"],
    [
      "an error",
      ({ password: secret }) => {
        throw new TypeError(`bad ${secret}`);
      },
      "authenticate failed (TypeError)",
    ],
    ["a rejection", ({ password: secret }) => Promise.reject(new Error(secret)), "authenticate failed (Error)"],
  ])("that answers %s lets nobody in, and no secret into the events", async (_what, authenticate, detail) => {
    const server = await serve(plainServing(authenticate));
    const client = join(server.endpoint, plain);
    await until(() => server.drops.length > 0 && client.drops.length > 0);
    expect(server.drops).toEqual([`authentication-failed: ${detail}`]);
    expect(client.drops).toEqual(['refused-by-peer: the peer said ERROR: "400" (authentication failed)']);
    expect(server.socket.counters.drops["authentication-failed"]).toBe(1);
    expect(server.socket.peers.size + client.socket.peers.size).toBe(0);
  });

  it("that does not answer in time lets nobody in, and its signal is aborted", async () => {
    const clock = new VirtualClock();
    let signal: AbortSignal | undefined;
    const security = plainServing((credentials) => {
      ({ signal } = credentials);
      return new Promise(() => undefined);
    }, 2_000);
    const server = await serve(security, { clock });
    const client = join(server.endpoint, plain);
    await until(() => signal !== undefined);
    await clock.advance(1_999);
    expect(server.drops).toEqual([]);
    await clock.advance(1);
    await until(() => server.drops.length > 0 && client.drops.length > 0);
    expect(server.drops).toEqual(["authentication-failed: no verdict within 2000 ms"]);
    expect(signal?.aborted).toBe(true);
  });

  it("is told when the peer left meanwhile, and no timer remains", async () => {
    const clock = new VirtualClock();
    let signal: AbortSignal | undefined;
    const security = plainServing((credentials) => {
      ({ signal } = credentials);
      return new Promise(() => undefined);
    });
    const server = await serve(security, { clock });
    const client = join(server.endpoint, plain);
    await until(() => signal !== undefined);
    await client.socket.close();
    await until(() => signal?.aborted === true && server.drops.length > 0);
    expect(clock.pendingTimers).toBe(0);
  });

  it("is not raced by a peer that goes on without waiting", async () => {
    const server = await serve(plainServing(() => new Promise(() => undefined)));
    const hasty = await RawPeer.connect(server.endpoint);
    hasty.send(encodeGreeting("PLAIN", false), encodeCommand("HELLO", Buffer.of(0, 0)), encodeCommand("INITIATE"));
    await until(() => server.drops.length > 0);
    expect(server.drops[0]).toMatch(/^protocol-error: /);
    hasty.destroy();
  });

  it("is a must for a server", () => {
    const nothing = {} as unknown as { authenticate: () => boolean };
    expect(() => plainServer(nothing)).toThrow(expect.objectContaining({ code: "ZMTP_OPTION_INVALID" }) as Error);
    expect(() => dealer({ security: {} as unknown as Security })).toThrow(
      expect.objectContaining({ code: "ZMTP_OPTION_INVALID" }) as Error,
    );
  });
});

describe("lists of who may come in", () => {
  it("an empty one admits nobody", async () => {
    const server = await serve(curveServer({ ...serverKeys, authenticate: allowKeys([]) }));
    const client = join(server.endpoint, curve);
    await until(() => server.drops.length > 0 && client.drops.length > 0);
    expect(server.drops).toEqual(["authentication-failed: authenticate said no"]);
  });

  it("of keys: those and no others", async () => {
    const server = await serve(
      curveServer({ ...serverKeys, authenticate: allowKeys([curveKeyPair().publicKey, clientKeys.publicKey]) }),
    );
    await expectEcho(join(server.endpoint, curve).socket);
    const stranger = join(server.endpoint, curveClient({ serverKey: serverKeys.publicKey, ...curveKeyPair() }));
    await until(() => stranger.drops.length > 0);
    expect(server.socket.peers.size).toBe(1);
  });

  it.each([
    [{ username: "admin", password: "" }],
    [{ username: "admin", password: `${password} ` }],
    [{ username: "", password }],
    [{ username: `admin${password}`, password: "" }],
    [{ username: "toString", password }],
  ])("of users: not %j", async (other) => {
    const server = await serve(plainServing(allowUsers({ admin: password, eve: "x" })));
    const stranger = join(server.endpoint, plainClient(other));
    await until(() => stranger.drops.length > 0 && server.drops.length > 0);
    expect(server.drops).toEqual(["authentication-failed: authenticate said no"]);
    await expectEcho(join(server.endpoint, plain).socket);
  });

  it("of users: none without a password, and no credentials above 255 bytes", () => {
    expect(() => allowUsers({ admin: "" })).toThrow("a password for user admin");
    expect(() => plainClient({ username: "x", password: "é".repeat(128) })).toThrow("at most 255 bytes");
  });
});

describe("two who do not fit", () => {
  const servers = {
    NULL: undefined,
    PLAIN: plainServing(allowUsers({ admin: password })),
    CURVE: curveServer({ ...serverKeys, authenticate: allowKeys([clientKeys.publicKey]) }),
  };
  const clients = { NULL: undefined, PLAIN: plain, CURVE: curve };
  const names = ["NULL", "PLAIN", "CURVE"] as const;
  const pairs = names.flatMap((server) =>
    names.filter((client) => client !== server).map((client) => [client, server] as const),
  );

  it.each(pairs)("a %s client and a %s server both say why", async (clientName, serverName) => {
    const server = await serve(servers[serverName]);
    const client = join(server.endpoint, clients[clientName]);
    await until(() => server.drops.length > 0 && client.drops.length > 0);
    expect(server.drops).toEqual([
      `mechanism-mismatch: the peer wants mechanism "${clientName}", this side ${serverName}`,
    ]);
    expect(server.socket.counters.drops["mechanism-mismatch"]).toBe(1);
    expect(server.socket.peers.size).toBe(0);
  });

  it("libzmq's NULL client is not let in by our CURVE server, nor ours by libzmq's", async () => {
    const server = await serve(servers.CURVE);
    const theirs = keep(new zmq.Dealer());
    theirs.connect(server.endpoint);
    await until(() => server.drops.length > 0);
    // It leaves at once when it reads "CURVE" in the greeting, and does not say what it wanted.
    expect(server.drops[0]).toMatch(/^mechanism-mismatch|in the greeting: it may not use mechanism CURVE$/);
    expect(server.socket.peers.size).toBe(0);

    const curveTheirs = keep(new zmq.Router({ curveServer: true, curveSecretKey: serverKeys.secretKey }));
    await curveTheirs.bind("tcp://127.0.0.1:*");
    const ours = join(curveTheirs.lastEndpoint ?? "", undefined);
    await until(() => ours.drops.length > 0);
    expect(ours.drops[0]).toMatch(/^mechanism-mismatch|in the greeting: it may not use mechanism NULL$/);
  });

  it("two servers, and two clients, are told so", async () => {
    const server = await serve(servers.CURVE);
    const second = join(server.endpoint, servers.CURVE);
    await until(() => second.drops.length > 0);
    expect(second.drops[0]).toBe(
      "mechanism-mismatch: the peer is a CURVE server too; one side must be the client and the other the server",
    );
    const client = await serve(curve);
    const other = join(client.endpoint, curve);
    await until(() => other.drops.length > 0 || client.drops.length > 0);
    expect([...client.drops, ...other.drops][0]).toMatch(/^mechanism-mismatch: the peer is a CURVE client too/);
  });

  it("a client with another server's key is refused, and told what to look at", async () => {
    const server = await serve(servers.CURVE);
    const client = join(server.endpoint, curveClient({ serverKey: curveKeyPair().publicKey, ...clientKeys }));
    await until(() => server.drops.length > 0 && client.drops.length > 0);
    expect(server.drops).toEqual([
      "authentication-failed: HELLO cannot be opened: the client has another server's key",
    ]);
    expect(client.drops).toEqual([
      "closed-by-peer: the peer closed the connection in answer to HELLO: is serverKey the public key of this server?",
    ]);
  });

  it("sockets that may not talk learn it under CURVE too", async () => {
    const server = await serve(servers.CURVE);
    const { socket, drops } = told(router({ security: curve }));
    socket.connect(server.endpoint);
    await until(() => server.socket.peers.size === 1);
    expect(drops).toEqual([]);
    const wrong = told(reply({ security: curve }));
    wrong.socket.connect(server.endpoint);
    await until(() => wrong.drops.length > 0 && server.drops.length > 0);
    expect(server.drops[0]).toBe('socket-type-mismatch: a "REP" peer cannot talk to ROUTER');
  });

  it("a CURVE handshake that stops in the middle is ended", async () => {
    const clock = new VirtualClock();
    const server = await serve(servers.CURVE, { clock, handshakeTimeoutMs: 1_000 });
    const silent = await RawPeer.connect(server.endpoint);
    silent.send(encodeGreeting("CURVE", false));
    await until(() => server.socket.counters.bytesIn === 64);
    await clock.advance(1_000);
    await until(() => server.drops.length > 0);
    expect(server.drops).toEqual(["handshake-timeout: no READY within 1000 ms"]);
    expect(clock.pendingTimers).toBe(0);
    silent.destroy();
  });
});

/** Between a client and a server: records what the client says, and may change what passes. */
async function between(
  endpoint: string,
  change: (chunk: Buffer, at: number) => Buffer = (chunk) => chunk,
): Promise<{ endpoint: string; recorded: Buffer[]; close: () => void }> {
  const recorded: Buffer[] = [];
  const target = Number(endpoint.split(":").pop());
  const sockets = new Set<{ destroy: () => unknown }>();
  const proxy: Server = createServer((client) => {
    const server = connect({ host: "127.0.0.1", port: target });
    let at = 0;
    client.on("data", (chunk) => {
      const passed = change(chunk, at);
      at += chunk.length;
      recorded.push(Buffer.from(passed));
      server.write(passed);
    });
    server.on("data", (chunk) => client.write(chunk));
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(one);
      one.on("error", () => undefined);
      one.on("close", () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const address = proxy.address();
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  };
  return {
    endpoint: `tcp://127.0.0.1:${typeof address === "object" ? String(address?.port) : ""}`,
    recorded,
    close,
  };
}

describe("somebody on the network", () => {
  const security = curveServer({ ...serverKeys, authenticate: allowKeys([clientKeys.publicKey]) });

  it("sees nothing of what is said", async () => {
    const server = await serve(security);
    const wire = keep(await between(server.endpoint));
    const client = join(wire.endpoint, curve).socket;
    await client.writable(AbortSignal.timeout(5_000));
    const secret = "a sentence that is nowhere in clear";
    client.send([secret, secret]);
    await client.receive(AbortSignal.timeout(5_000));
    const seen = Buffer.concat(wire.recorded);
    expect(seen.length).toBeGreaterThan(500);
    expect(seen.includes("nowhere")).toBe(false);
    expect(seen.includes("DEALER")).toBe(false);
  });

  it("cannot play a recorded conversation again", async () => {
    const server = await serve(security);
    const wire = keep(await between(server.endpoint));
    const client = join(wire.endpoint, curve).socket;
    await expectEcho(client);
    const messages = server.socket.counters.messagesIn;
    const again = await RawPeer.connect(server.endpoint);
    for (const part of wire.recorded) again.send(part);
    await until(() => server.drops.length > 0);
    expect(server.drops[0]).toMatch(/^authentication-failed: INITIATE without the cookie/);
    expect(server.socket.counters.messagesIn).toBe(messages);
    again.destroy();
  });

  it("cannot repeat or change a message: the connection ends, and the message is not delivered", async () => {
    for (const what of ["repeat", "change"] as const) {
      const server = await serve(security);
      server.socket.onMessages((messages) => {
        for (const message of messages) server.socket.send(message);
        return undefined;
      });
      const ends: string[] = [];
      server.socket.on("disconnect", (_peer, reason) => ends.push(reason));
      let armed = false;
      const meddle = (chunk: Buffer): Buffer => {
        if (!armed) return chunk;
        if (what === "repeat") return Buffer.concat([chunk, chunk]);
        const changed = Buffer.from(chunk);
        changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
        return changed;
      };
      const wire = keep(await between(server.endpoint, meddle));
      const client = join(wire.endpoint, curve).socket;
      await expectEcho(client);
      armed = true;
      client.send("once");
      await until(() => ends.length > 0);
      expect(ends).toEqual(["protocol-error"]);
      expect(server.socket.counters.messagesIn).toBe(what === "repeat" ? 2 : 1);
    }
  });
});

describe("limits", () => {
  const security = curveServer({ ...serverKeys, authenticate: allowKeys([clientKeys.publicKey]) });

  it("count the message, not its seal", async () => {
    const server = await serve(security, { messageBytesMax: 1_000 });
    const client = join(server.endpoint, curve).socket;
    await client.writable(AbortSignal.timeout(5_000));
    const ends: string[] = [];
    client.on("disconnect", (_peer, reason) => ends.push(reason));
    for (const body of [[Buffer.alloc(1_000)], [Buffer.alloc(400), Buffer.alloc(0), Buffer.alloc(600)]]) {
      client.send(body);
      expect((await client.receive(AbortSignal.timeout(5_000))).length).toBe(body.length);
    }
    const reasons: string[] = [];
    server.socket.on("disconnect", (_peer, reason) => reasons.push(reason));
    client.send([Buffer.alloc(500), Buffer.alloc(600)]);
    await until(() => reasons.length > 0);
    expect(reasons).toEqual(["frame-too-large"]);
  });

  it("a burst of several reads keeps its order, whatever its sizes", async () => {
    const server = await serve(security, { peerQueueMessagesMax: 10_000 });
    const client = join(server.endpoint, curve).socket;
    await client.writable(AbortSignal.timeout(5_000));
    const sizes = Array.from({ length: 600 }, (_, n) => (n * 7_919) % 12_000);
    const got: number[] = [];
    client.onMessages((messages) => {
      for (const [frame, last] of messages) {
        expect(last?.length).toBe(0);
        got.push(frame?.length ?? -1);
      }
      return undefined;
    });
    for (const size of sizes) expect(client.send([Buffer.alloc(size, size), ""])).toBe("sent");
    await until(() => got.length === sizes.length);
    expect(got).toEqual(sizes);
  });
});
