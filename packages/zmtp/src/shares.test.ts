// Who may have how many of a socket's connections, where the application says so: by host, and by user where peers prove who they are. Each
// address of 127.0.0.0/8 is a host of its own to the socket.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Shares } from "./engine/shares.ts";
import { echo, expectServed, keeper, RawPeer, until } from "./harness.suite.ts";
import { allowUsers, dealer, hostOf, plainClient, plainServer, router, type RouterSocket } from "./index.ts";

const keep = keeper();

/** Half for whoever comes first; then no more than is left. */
const fairly = (own: number, used: number, peersMax: number): boolean =>
  peersMax - used > peersMax / 2 || own < peersMax - used;

async function serve(options: Parameters<typeof router>[0] = {}) {
  const socket = keep(router({ peersMax: 8, mayConnect: fairly, ...options }));
  const drops: string[] = [];
  socket.on("drop", (_address, reason, detail) => drops.push(`${reason}: ${detail}`));
  echo(socket);
  return { socket, drops, endpoint: await socket.bind("tcp://127.0.0.1:*") };
}

/** Connections that say nothing, one after the other, until one is closed. */
async function openAll(endpoint: string, socket: RouterSocket, from: string): Promise<RawPeer[]> {
  const peers: RawPeer[] = [];
  for (;;) {
    const before = socket.counters;
    const peer = await RawPeer.connect(endpoint, from);
    await until(
      () =>
        socket.counters.accepted > before.accepted ||
        socket.counters.drops["too-many-peers"] > before.drops["too-many-peers"],
    );
    if (socket.counters.accepted === before.accepted) {
      await until(() => peer.ended);
      return peers;
    }
    peers.push(peer);
  }
}

describe("a host that opens all it gets", () => {
  it("gets its share and no more, however far its handshakes are; others come in and are served, and it has room again when it leaves", async () => {
    const { socket, drops, endpoint } = await serve();
    const greedy = await openAll(endpoint, socket, "127.0.0.2");
    for (const peer of greedy.slice(2)) peer.introduce("DEALER");
    await until(() => socket.peers.size === 2);
    expect(greedy).toHaveLength(4);
    expect(drops).toEqual(["too-many-peers: 4 of 4 connections are those of 127.0.0.2; the rest of 8 is for others"]);
    const other = keep(dealer());
    other.connect(endpoint);
    await other.writable();
    await expectServed(other, "let in");
    for (const peer of greedy) peer.destroy();
    await until(() => socket.counters.accepted === 5 && socket.peers.size === 1);
    await until(() => socket.counters.drops["closed-by-peer"] + socket.counters.drops["connection-error"] === 4);
    const again = await openAll(endpoint, socket, "127.0.0.2");
    expect(again).toHaveLength(4);
    for (const peer of again) peer.destroy();
    await expectServed(other, "still here");
  });

  it("is one host by IPv4, whatever kind of socket it came to", () => {
    expect(hostOf("tcp://10.0.0.1:5")).toBe("10.0.0.1");
    expect(hostOf("tcp://[::ffff:10.0.0.1]:5")).toBe("10.0.0.1");
    expect(hostOf("http://[::ffff:127.0.0.1]:80")).toBe("127.0.0.1");
    expect(hostOf("tcp://[fd00::1]:5")).toBe("fd00::1");
    expect(["ipc:///run/a", "inproc://a", "memory://1", "tcp://", "tcp://10.0.0.1"].map(hostOf)).toEqual(
      Array.from({ length: 5 }),
    );
  });
});

it("users are told apart by what they have proven: many of one host have their own shares, and one on many hosts has one", async () => {
  const users = { alice: "a", bob: "b" };
  const { socket, endpoint, drops } = await serve({ security: plainServer({ authenticate: allowUsers(users) }) });
  const join = (username: keyof typeof users) => {
    const client = keep(
      dealer({ security: plainClient({ username, password: users[username] }), reconnect: { attemptsMax: 1 } }),
    );
    client.connect(endpoint);
    return client;
  };
  for (let own = 0; own < 4; own++) await join("alice").writable();
  join("alice");
  await until(() => socket.counters.drops["too-many-peers"] === 1);
  expect(drops).toEqual(["too-many-peers: 4 of 4 connections are those of alice; the rest of 8 is for others"]);
  const bob = join("bob");
  await bob.writable();
  await expectServed(bob, "let in");
  // Who has proven nothing yet is still of this host, which all the others have left: it has none.
  expect(await openAll(endpoint, socket, "127.0.0.1")).toHaveLength(2);
});

it("connections that were made from here, and those of this process, are nobody's share", async () => {
  const { socket, endpoint } = await serve({ peersMax: 3, mayConnect: () => false });
  await socket.bind("inproc://nobody's");
  const inside = keep(dealer());
  inside.connect("inproc://nobody's");
  await inside.writable();
  await expectServed(inside, "let in");
  const outside = await RawPeer.connect(endpoint);
  await until(() => outside.ended);
  const far = keep(router());
  socket.connect(await far.bind("tcp://127.0.0.1:*"));
  await until(() => far.peers.size === 1);
});

it("any order of coming, proving and leaving: each has what it has, and nobody's count is left over", () => {
  const step = fc.record({
    link: fc.nat(9),
    host: fc.constantFrom("tcp://10.0.0.1:1", "tcp://[::ffff:10.0.0.1]:2", "tcp://10.0.0.2:1", "ipc:///a"),
    act: fc.constantFrom("enter", "prove", "leave"),
    user: fc.constantFrom("10.0.0.1", "alice"),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const seen: number[] = [];
      const shares = new Shares<number>((own) => seen.push(own) > 0, 100);
      const model = new Map<number, string>();
      const count = (name: string): number => [...model.values()].filter((whose) => whose === name).length;
      for (const { link, host, act, user } of steps) {
        if (act === "leave") {
          shares.leave(link);
          model.delete(link);
        } else if (act === "prove") {
          shares.prove(link, user, model.size);
          if (model.has(link)) model.set(link, `user ${user}`);
        } else if (!model.has(link)) {
          shares.enter(link, host);
          const name = hostOf(host);
          if (name !== undefined) model.set(link, `host ${name}`);
        }
        for (const name of ["10.0.0.1", "10.0.0.2"]) {
          shares.judge(`tcp://${name}:9`, model.size);
          expect(seen.pop()).toBe(count(`host ${name}`));
        }
      }
    }),
  );
});
