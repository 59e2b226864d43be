// Who comes in with PLAIN and CURVE, who does not, and what each side is told of it.
import { VirtualClock } from "@wherry/core/testing";
import { describe, expect, it } from "vitest";
import * as zmq from "zeromq";
import { RawPeer, until } from "../harness.suite.ts";
import {
  allowUsers,
  type Authenticate,
  dealer,
  type PlainCredentials,
  plainClient,
  plainServer,
  type Security,
  type Socket,
} from "../index.ts";
import { encodeCommand } from "../wire/command.ts";
import { encodeGreeting } from "../wire/greeting.ts";
import { allowKeys, curveClient, curveKeyPair, curveServer } from "./curve.ts";
import {
  clientKeys,
  curve,
  expectEcho,
  join,
  keep,
  password,
  plain,
  plainServing,
  serve,
  serverKeys,
} from "./security.suite.ts";

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

describe("a routing id that is taken", () => {
  it("goes over to a newer connection of the same user, and to nobody else", async () => {
    const server = await serve(plainServing(allowUsers({ admin: password, eve: "x" })));
    const connectAs = (security: Security): Socket => {
      const socket = keep(dealer({ security, routingId: "worker-1", reconnect: { firstMs: 60_000, maxMs: 60_000 } }));
      socket.connect(server.endpoint);
      return socket;
    };
    const first = connectAs(plain);
    await expectEcho(first);
    connectAs(plainClient({ username: "eve", password: "x" }));
    await until(() => server.drops.length > 0);
    expect(server.drops).toEqual(["authentication-failed: its routing id is that of a peer with another user id"]);
    await expectEcho(first);

    await expectEcho(connectAs(plain));
    await until(() => server.socket.counters.drops["handed-over"] === 1);
    expect([...server.socket.peers.values()].map((peer) => peer.userId)).toEqual(["admin"]);
  });
});

describe("a server's keys", () => {
  it("are changed while it serves: standing connections stay, clients of the old and the next key come in, at last only those of the next", async () => {
    const [old, next] = [curveKeyPair(), curveKeyPair()];
    const security = curveServer({ ...old, authenticate: () => Promise.resolve(true) });
    const server = await serve(security);
    const clientOf = (serverKey: string): Security => curveClient({ serverKey, ...clientKeys });
    const standing = join(server.endpoint, clientOf(old.publicKey));
    await expectEcho(standing.socket);

    security.rotate([next.secretKey, old.secretKey]);
    await expectEcho(join(server.endpoint, clientOf(old.publicKey)).socket);
    await expectEcho(join(server.endpoint, clientOf(next.publicKey)).socket);

    security.rotate([next.secretKey]);
    await expectEcho(standing.socket);
    const late = join(server.endpoint, clientOf(old.publicKey));
    await until(() => late.drops.length === 1);
    expect(server.drops).toEqual([
      "authentication-failed: HELLO cannot be opened: the client has another server's key",
    ]);
    await expectEcho(join(server.endpoint, clientOf(next.publicKey)).socket);
    // By whichever key it came in, a client is known by its own.
    expect([...server.socket.peers.values()].map(({ userId }) => userId)).toEqual(
      Array.from({ length: 4 }, () => clientKeys.publicKey),
    );
  });

  it("in the midst of a handshake stay those with which it began", async () => {
    const [old, next] = [curveKeyPair(), curveKeyPair()];
    let admit: (verdict: boolean) => void = () => undefined;
    const security = curveServer({ ...old, authenticate: () => new Promise((resolve) => (admit = resolve)) });
    const server = await serve(security);
    const client = join(server.endpoint, curveClient({ serverKey: old.publicKey, ...clientKeys }));
    const original = admit;
    await until(() => admit !== original);
    security.rotate([next.secretKey]);
    admit(true);
    await expectEcho(client.socket);
  });

  it("that make no sense are refused, and nothing changes", async () => {
    const security = curveServer({ ...serverKeys, authenticate: allowKeys([clientKeys.publicKey]) });
    const { secretKey } = curveKeyPair();
    for (const keys of [[], ["short"], [secretKey, secretKey, secretKey, secretKey, secretKey]])
      expect(() => security.rotate(keys)).toThrow(expect.objectContaining({ code: "ZMTP_OPTION_INVALID" }));
    const server = await serve(security);
    await expectEcho(join(server.endpoint, curve).socket);
  });

  it("and libzmq: its client comes in by the old key and by the next one", async () => {
    const next = curveKeyPair();
    const security = curveServer({ ...serverKeys, authenticate: allowKeys([clientKeys.publicKey]) });
    security.rotate([next.secretKey, serverKeys.secretKey]);
    const server = await serve(security);
    for (const curveServerKey of [serverKeys.publicKey, next.publicKey]) {
      const { publicKey: curvePublicKey, secretKey: curveSecretKey } = clientKeys;
      const client = keep(new zmq.Dealer({ curveServerKey, curvePublicKey, curveSecretKey, receiveTimeout: 60_000 }));
      client.connect(server.endpoint);
      await client.send("hello");
      expect(String((await client.receive())[0])).toBe("hello");
    }
  });
});
