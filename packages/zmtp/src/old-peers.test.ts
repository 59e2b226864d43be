// Peers that speak ZMTP 1.0 (libzmq 2) and 2.0 (libzmq 3), by the bytes that they send first, whoever connects: they are refused, and the
// user is told which protocol it was.
import { createServer, type Server, type Socket as NetSocket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { RawPeer, until } from "./harness.suite.ts";
import { type AnySocket, dealer, reply, request, router, subscriber, xpublisher } from "./index.ts";

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});
const keep = <T extends AnySocket>(socket: T): T => {
  open.push(() => socket.close({ lingerMs: 50 }));
  return socket;
};

// ZMTP 1.0 begins with a frame: its length (1 and that of the body), its flags, the identity. Frames from 255 bytes on begin with FF and
// eight bytes of length. ZMTP 2.0: signature, revision 1, socket type, and the identity as a frame: flags, length, body.
const signature = [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f];
const conversations: readonly (readonly [string, readonly number[], RegExp])[] = [
  ["ZMTP 1.0 without an identity", [1, 0], /^not a ZMTP 3 greeting .*ZMTP 1\.0.*first byte/],
  ["ZMTP 1.0 with an identity, and a message", [4, 0, 65, 66, 67, 2, 0, 88], /ZMTP 1\.0.*first byte/],
  ["ZMTP 1.0 with an identity of 255 bytes", [0xff, 0, 0, 0, 0, 0, 0, 1, 0, 0, 65], /ZMTP 1\.0.*tenth byte/],
  ["ZMTP 2.0, a REQ without an identity", [...signature, 1, 3, 0, 0], /^the peer speaks ZMTP 2\.0; 3\.0 is the oldest/],
  ["ZMTP 2.0, a DEALER with an identity", [...signature, 1, 5, 0, 3, 65, 66, 67], /ZMTP 2\.0/],
  ["ZMTP 2.0, a SUB, and its subscription", [...signature, 1, 2, 0, 0, 0, 2, 1, 65], /ZMTP 2\.0/],
  ["the revision before 2.0", [...signature, 0, 5, 0, 0], /ZMTP 2\.0/],
];

describe.each(conversations)("%s", (_, bytes, detail) => {
  it.each([
    ["a ROUTER", () => router()],
    ["a REP", () => reply()],
    ["an XPUB", () => xpublisher()],
  ])("connects to %s", async (_type, make) => {
    const socket = keep(make());
    const drops: string[] = [];
    socket.on("drop", (_address, reason, text) => drops.push(`${reason} ${text}`));
    const peer = await RawPeer.connect(await socket.bind("tcp://127.0.0.1:*"));
    open.push(() => peer.destroy());
    // As they come: such a peer waits for an answer after its first bytes.
    for (const byte of bytes) peer.send([byte]);
    await until(() => peer.ended);
    expect(drops.map((text) => text.replace("protocol-error ", ""))).toEqual([expect.stringMatching(detail)]);
    expect(socket.counters.drops["protocol-error"]).toBe(1);
    expect(socket.peers.size).toBe(0);
  });

  it.each([
    ["a DEALER", (): AnySocket => dealer(stopping)],
    ["a REQ", (): AnySocket => request(stopping)],
    ["a SUB", (): AnySocket => subscriber(stopping)],
  ])("is what %s connects to", async (_type, make) => {
    const held: NetSocket[] = [];
    const old: Server = createServer((socket) => {
      held.push(socket);
      socket.on("error", () => undefined);
      socket.write(Uint8Array.from(bytes));
    }).listen(0, "127.0.0.1");
    open.push(
      () => new Promise((resolve) => old.close(resolve)),
      () => held.forEach((socket) => socket.destroy()),
    );
    await until(() => old.listening);
    const socket = keep(make());
    const told: string[] = [];
    socket.on("drop", (_address, reason, text) => told.push(`drop ${reason} ${text}`));
    socket.on("giveUp", (_endpoint, attempts) => told.push(`gave up after ${attempts}`));
    socket.connect(`tcp://127.0.0.1:${(old.address() as { port: number }).port}`);
    await until(() => told.length === 2);
    expect(told[0]?.replace("drop protocol-error ", "")).toMatch(detail);
    expect(told[1]).toMatch(/^gave up/);
    expect(socket.counters.drops["protocol-error"]).toBe(1);
  });
});

/** No peer of that age becomes younger by being dialled again. */
const stopping = { reconnect: { stopOn: ["protocol-error"] } } as const;
