// A connection that is cut after any number of bytes, in either direction, with every mechanism: the process lives, others are served, and
// each cut is an event and a count on the side that had seen the connection.
import { connect, createServer, type Server, type Socket as NetSocket } from "node:net";
import { afterEach, expect, it } from "vitest";
import { echo, expectServed, until } from "./harness.suite.ts";
import { dealer, type DropReason, plainClient, plainServer, router, type SocketOptions } from "./index.ts";
import { allowKeys, curveClient, curveKeyPair, curveServer } from "./mechanism/curve.ts";

const [serverKeys, clientKeys] = [curveKeyPair(), curveKeyPair()];
const mechanisms: Readonly<Record<string, readonly [SocketOptions, SocketOptions]>> = {
  NULL: [{}, {}],
  PLAIN: [
    { security: plainServer({ authenticate: () => Promise.resolve(true) }) },
    { security: plainClient({ username: "a", password: "b" }) },
  ],
  CURVE: [
    { security: curveServer({ ...serverKeys, authenticate: allowKeys([clientKeys.publicKey]) }) },
    { security: curveClient({ serverKey: serverKeys.publicKey, ...clientKeys }) },
  ],
};

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** Passes bytes on both ways, until `cutAt` have gone in one direction: then both ends are reset. */
class Cutter {
  cutAt = Number.POSITIVE_INFINITY;
  direction: "to server" | "to client" = "to server";
  /** Of the connection that was not cut: what went each way. */
  passed = { "to server": 0, "to client": 0 };
  readonly #server: Server;
  readonly #sockets = new Set<NetSocket>();

  constructor(port: number) {
    this.#server = createServer((front) => {
      const back = connect(port, "127.0.0.1");
      this.passed = { "to server": 0, "to client": 0 };
      const cut = (): void => {
        for (const socket of [front, back]) socket.resetAndDestroy();
      };
      const pass = (from: NetSocket, to: NetSocket, direction: "to server" | "to client"): void => {
        this.#sockets.add(from);
        from.on("error", () => undefined);
        from.on("close", () => {
          this.#sockets.delete(from);
          to.destroy();
        });
        from.on("data", (chunk) => {
          const left = direction === this.direction ? this.cutAt - this.passed[direction] : chunk.length + 1;
          this.passed[direction] += chunk.length;
          // The last bytes arrive before the reset, which would overtake them.
          if (chunk.length < left) to.write(chunk);
          else to.write(chunk.subarray(0, left), () => setImmediate(cut));
        });
      };
      pass(front, back, "to server");
      pass(back, front, "to client");
    }).listen(0, "127.0.0.1");
  }

  async port(): Promise<number> {
    await until(() => this.#server.listening);
    return (this.#server.address() as { port: number }).port;
  }

  close(): Promise<unknown> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(resolve));
  }
}

it.each(Object.keys(mechanisms))("%s: cut after any byte, either way", async (mechanism) => {
  const [ofServer, ofClient] = mechanisms[mechanism] ?? [{}, {}];
  const server = router(ofServer);
  open.push(() => server.close({ lingerMs: 0 }));
  echo(server);
  const ended: DropReason[] = [];
  server.on("drop", (_address, reason) => ended.push(reason));
  server.on("disconnect", (_peer, reason) => ended.push(reason));
  const endpoint = await server.bind("tcp://127.0.0.1:*");
  const good = dealer(ofClient);
  open.push(() => good.close({ lingerMs: 0 }));
  good.connect(endpoint);
  await good.writable(AbortSignal.timeout(60_000));

  const cutter = new Cutter(Number(endpoint.split(":").at(-1)));
  open.push(() => cutter.close());
  const through = `tcp://127.0.0.1:${await cutter.port()}`;
  const options = { ...ofClient, reconnect: { attemptsMax: 1, stopOn: reasons } };

  // A whole conversation, for its length each way.
  const whole = dealer(options);
  whole.connect(through);
  await whole.writable(AbortSignal.timeout(60_000));
  await expectServed(whole, "a message");
  const length = { ...cutter.passed };
  await whole.close({ lingerMs: 0 });
  expect(Math.min(length["to server"], length["to client"])).toBeGreaterThan(100);

  let cuts = 0;
  for (const direction of ["to server", "to client"] as const) {
    cutter.direction = direction;
    for (let cutAt = 1; cutAt <= length[direction]; cutAt++) {
      cutter.cutAt = cutAt;
      const client = dealer(options);
      let ends = 0;
      client.on("drop", () => ends++);
      client.on("disconnect", () => ends++);
      client.on("connect", () => client.send("a message"));
      client.connect(through);
      await until(() => ends === 1);
      const { drops, accepted, connected } = client.counters;
      expect(Object.values(drops).reduce((sum, count) => sum + count, 0)).toBe(1);
      expect(accepted + connected).toBeLessThanOrEqual(1);
      await client.close({ lingerMs: 0 });
      cuts++;
    }
  }
  await until(() => server.peers.size === 1 && ended.length === server.counters.accepted - 1);
  // The one that was not cut, too.
  expect(ended.length).toBe(cuts + 1);
  for (const reason of reasons)
    expect([reason, server.counters.drops[reason]]).toEqual([reason, ended.filter((each) => each === reason).length]);
  await expectServed(good, "still here");
});

/** For whatever reason it ends, it is not dialled again. */
const reasons: readonly DropReason[] = [
  "closed-by-peer",
  "closed-here",
  "connection-error",
  "protocol-error",
  "authentication-failed",
  "refused-by-peer",
];
