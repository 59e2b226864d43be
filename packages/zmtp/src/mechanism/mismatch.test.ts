// Two sides whose mechanisms, roles, keys or socket types do not fit: both learn why.
import * as zmq from "zeromq";
import { VirtualClock } from "@wherry/core/testing";
import { describe, expect, it } from "vitest";
import { RawPeer, until } from "../harness.suite.ts";
import { allowUsers, reply, router } from "../index.ts";
import { encodeGreeting } from "../wire/greeting.ts";
import { allowKeys, curveClient, curveKeyPair, curveServer } from "./curve.ts";
import {
  clientKeys,
  curve,
  join,
  keep,
  password,
  plain,
  plainServing,
  serve,
  serverKeys,
  told,
} from "./security.suite.ts";

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
