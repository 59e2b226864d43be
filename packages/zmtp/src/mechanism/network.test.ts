// CURVE and somebody on the network between the two: listens, repeats, changes. And limits, which count messages, not seals.
import { connect, createServer, type Server } from "node:net";
import { describe, expect, it } from "vitest";
import { RawPeer, until } from "../harness.suite.ts";
import { allowKeys, curveServer } from "./curve.ts";
import { clientKeys, curve, expectEcho, join, keep, serve, serverKeys } from "./security.suite.ts";

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
    await client.writable(AbortSignal.timeout(60_000));
    const secret = "a sentence that is nowhere in clear";
    client.send([secret, secret]);
    await client.receive(AbortSignal.timeout(60_000));
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
    await client.writable(AbortSignal.timeout(60_000));
    const ends: string[] = [];
    client.on("disconnect", (_peer, reason) => ends.push(reason));
    for (const body of [[Buffer.alloc(1_000)], [Buffer.alloc(400), Buffer.alloc(0), Buffer.alloc(600)]]) {
      client.send(body);
      expect((await client.receive(AbortSignal.timeout(60_000))).length).toBe(body.length);
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
    await client.writable(AbortSignal.timeout(60_000));
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
