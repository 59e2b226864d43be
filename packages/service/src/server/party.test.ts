// What one client may have of what all share: it cannot keep the others out, and alone it has nearly everything.
import { connect as connectTcp } from "node:net";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { connect } from "../client/connect.ts";
import type { Client } from "../client/types.ts";
import { startHttp } from "../http/start.ts";
import { method, service } from "../define.ts";
import type { Service } from "../service.ts";
import { BodyBudget } from "./body-budget.ts";
import { clientName, hasShare, Parties, Party, peerName } from "./party.ts";
import { serve } from "./serve.ts";
import { start } from "./server.suite.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

describe("a share", () => {
  test("of one client is three quarters and what is left, of few places all; none takes the last from who has none", () => {
    const alone = (max: number): number => {
      let own = 0;
      while (hasShare(own, own, max)) own++;
      return own;
    };
    expect([1, 2, 3, 4, 5, 20, 100, 1000].map(alone)).toEqual([1, 2, 3, 3, 4, 15, 75, 750]);
  });

  test("is left for another as long as they are few, and never more than there is", () => {
    const taking = fc.array(fc.nat(4), { maxLength: 400 });
    fc.assert(
      fc.property(fc.integer({ min: 8, max: 200 }), taking, (max, takers) => {
        const own = [0, 0, 0, 0, 0];
        let used = 0;
        for (const taker of takers) {
          if (!hasShare(own[taker] ?? 0, used, max)) continue;
          own[taker] = (own[taker] ?? 0) + 1;
          used++;
        }
        expect(used).toBeLessThanOrEqual(max);
        const greedy = own.filter((count) => count > 0).length;
        // Each of them leaves half of what was left before; a newcomer finds room while anything is.
        if (greedy <= 2) expect(hasShare(0, used, max)).toBe(true);
      }),
    );
  });

  test("is one client's over all its connections: by its key, else by its address, which in one machine tells nothing", () => {
    const parties = new Parties();
    const join = (address: string, userId?: string): Party => parties.join(peerName({ address, userId }));
    const first = join("tcp://10.0.0.1:1000");
    expect(join("tcp://10.0.0.1:2000")).toBe(first);
    expect(join("tcp://[::ffff:10.0.0.1]:3000")).toBe(first);
    expect(join("tcp://10.0.0.2:1000")).not.toBe(first);
    expect(join("tcp://10.0.0.1:1000", "alice")).not.toBe(first);
    expect(join("tcp://10.0.0.9:1000", "alice")).toBe(join("tcp://127.0.0.1:7", "alice"));
    expect(join("tcp://[fd00::1]:1")).toBe(join("tcp://[fd00::1]:2"));
    for (const address of ["tcp://127.0.0.1:1", "tcp://[::1]:1", "ipc:///run/a", "memory://1"])
      expect(join(address)).not.toBe(join(address));
    expect(join("tcp://[::ffff:127.0.0.1]:1")).not.toBe(join("tcp://[::ffff:127.0.0.1]:1"));
    for (let left = 0; left < 3; left++) parties.leave(first, peerName({ address: "tcp://10.0.0.1:1" }));
    expect(join("tcp://10.0.0.1:1000")).not.toBe(first);
  });

  test("is by the same name whichever way it comes: ZeroMQ, HTTP, and the keys in memory", () => {
    const name = (address: string, userId?: string) => clientName({ address, userId });
    for (const address of [
      "tcp://10.0.0.1:1",
      "tcp://[::ffff:10.0.0.1]:2",
      "http://10.0.0.1:3",
      "http://[::ffff:10.0.0.1]:4",
    ])
      expect(name(address)).toBe("host 10.0.0.1");
    expect(name("http://[::ffff:127.0.0.1]:1")).toBe(name("http://127.0.0.1:2"));
    expect(name("http://[fd00::1]:1")).toBe(peerName({ address: "tcp://[fd00::1]:2" }));
    expect(peerName({ address: "tcp://10.0.0.1:1" })).toBe(name("http://10.0.0.1:3"));
    // A user who is called like a host is none.
    expect(name("tcp://10.0.0.2:1", "10.0.0.1")).not.toBe(name("tcp://10.0.0.1:1"));
    expect(name("ipc:///run/a")).not.toBe(name("ipc:///run/b"));
  });

  test("is not had anew by leaving and coming back while what was asked for is under way; nobody is known for ever", () => {
    const steps = fc.array(fc.tuple(fc.constantFrom("join", "leave", "take", "release"), fc.nat(199)), {
      maxLength: 1000,
      size: "max",
    });
    fc.assert(
      fc.property(steps, (all) => {
        const parties = new Parties();
        const known = new Map<string, Party>();
        const has = (party: Party | undefined): boolean => party !== undefined && !party.isIdle;
        for (const [act, number] of all) {
          const name = `host ${number}`;
          const party = known.get(name);
          if (act === "join") {
            const joined = parties.join(name);
            if (has(party)) expect(joined).toBe(party);
            known.set(name, joined);
          } else if (party === undefined) continue;
          else if (act === "leave" && party.connections > 0) parties.leave(party, name);
          else if (act === "take" && party.connections > 0) party.waiting++;
          else if (act === "release" && party.waiting > 0) party.waiting--;
        }
        for (const [name, party] of known) {
          while (party.connections > 0) parties.leave(party, name);
          party.waiting = 0;
        }
        const last = parties.join("the last");
        last.waiting = 1;
        parties.leave(last, "the last");
        expect(parties.size).toBeLessThanOrEqual(2 * 200);
        for (let more = 0; more <= 400; more++) {
          const idle = parties.join(`more ${more}`);
          idle.waiting = 1;
          parties.leave(idle, `more ${more}`);
          idle.waiting = 0;
        }
        expect(parties.size).toBeLessThanOrEqual(200);
      }),
    );
  });

  test("of a budget of bodies ends where others' begins, and comes back", () => {
    const budget = new BodyBudget(100);
    const [greedy, modest] = [new Party(), new Party()];
    let taken = 0;
    while (budget.take(5, greedy)) taken += 5;
    expect(taken).toBe(75);
    expect([budget.take(5, modest), budget.take(5, modest)]).toEqual([true, true]);
    budget.release(taken, greedy);
    expect([greedy.bodyBytes, modest.bodyBytes, budget.take(5, greedy)]).toEqual([0, 10, true]);
  });
});

/** A service whose `hold` answers when it is told to, and whose `hang` streams until it is left. */
async function target(options: { queueMax?: number; concurrency?: number; streamsMax?: number } = {}) {
  const { promise: held, resolve: release } = Promise.withResolvers<string>();
  const hang = method({
    stream: "out",
    async *handler(_: unknown, { signal }) {
      yield 1;
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  });
  const all: Service = service("target", { ...options, methods: { hold: () => held, hang } });
  const { server, endpoint } = await serve(all);
  closing.push(() => server.close());
  closing.push(() => release("late"));
  const client = (deadlineMs = 20_000): Client => {
    const one = connect("target", { endpoints: [endpoint], deadlineMs }) as Client;
    closing.push(() => one.close());
    return one;
  };
  return { server, client, release };
}
const codeOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => "answered",
    (error: unknown) => (error as { readonly code: string }).code,
  );

describe("a client that takes all it gets", () => {
  test("of the queue leaves room for another's call", async () => {
    const { client, server, release } = await target({ queueMax: 8, concurrency: 1 });
    const greedy = client();
    const calls = Array.from({ length: 16 }, () => codeOf(greedy.call("hold", null)));
    await expect.poll(() => server.executor.queued).toBe(6);
    const other = codeOf(client().call("hold", null));
    await expect.poll(() => server.executor.queued).toBe(7);
    release("done");
    expect(await other).toBe("answered");
    // What was BUSY was sent again, and lost nothing but time.
    expect(new Set(await Promise.all(calls))).toEqual(new Set(["answered"]));
  });

  test("of streams leaves some for another's, and is told that it has its share", async () => {
    const { client, server } = await target({ streamsMax: 8 });
    const open = (by: Client) => {
      const stream = by.stream("hang", null);
      stream.result.catch(() => undefined);
      return stream.next();
    };
    const greedy = client(2000);
    for (let own = 0; own < 6; own++) expect(await open(greedy)).toMatchObject({ value: 1 });
    const refused = { code: "UNAVAILABLE", fate: "not-started", details: { lastCode: "BUSY" } };
    const message = expect.stringContaining("6 of them this client's") as string;
    await expect(open(greedy)).rejects.toMatchObject({ ...refused, message });
    expect(await open(client())).toMatchObject({ value: 1 });
    await greedy.close();
    await expect.poll(() => server.streams?.running.size).toBe(1);
  });

  test("of the queue, leaves and comes back to take another share finds the first one counted: what was cancelled waits for its turn", async () => {
    const { client, server } = await target({ queueMax: 8, concurrency: 1 });
    const { url } = await startHttp(server, "127.0.0.1", 0);
    const request = "POST /hold HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    for (let round = 0; round < 4; round++) {
      let told = 0;
      const sockets = Array.from({ length: 12 }, () => connectTcp(Number(new URL(url).port), "127.0.0.1"));
      closing.push(() => sockets.forEach((socket) => socket.destroy()));
      for (const socket of sockets) {
        socket.on("error", () => undefined).once("data", () => told++);
        socket.write(request);
      }
      // Of the first: one runs, six wait. The others are BUSY; later ones all are.
      await expect.poll(() => told).toBe(round === 0 ? 5 : 12);
      expect(server.executor.queued).toBe(6);
      for (const socket of sockets) socket.destroy();
      await expect.poll(() => server.metrics.http.get("closed")).toBe(7);
    }
    void client()
      .call("hold", null)
      .catch(() => undefined);
    await expect.poll(() => server.executor.queued).toBe(7);
  });

  test("of questions to `authorize` leaves some for another's, who is answered when his is decided", async () => {
    const decisions: ((verdict: boolean) => void)[] = [];
    const { peer } = await start({
      queueMax: 8,
      authorize: () => new Promise<boolean>((resolve) => decisions.push(resolve)),
      methods: { echo: (body: unknown) => body },
    });
    const greedy = (await peer()).hello();
    for (let id = 1; id <= 20; id++) greedy.request(id, "$stats", null);
    await expect.poll(() => greedy.answers).toHaveLength(14);
    expect(new Set(greedy.answers.map((answer) => (answer as unknown[])[1]))).toEqual(new Set(["BUSY"]));
    const other = (await peer()).hello().request(1, "$stats", null);
    await expect.poll(() => decisions).toHaveLength(7);
    decisions[6]?.(true);
    await expect.poll(() => other.answers).toEqual([[1, expect.objectContaining({ state: "ready" })]]);
    greedy.request(30, "$stats", null);
    await expect.poll(() => greedy.answers).toHaveLength(15);
    for (const decide of decisions) decide(true);
    await expect.poll(() => greedy.answers).toHaveLength(21);
  });

  test("of ZeroMQ connections has its HTTP connections still: each kind is counted for itself", async () => {
    const { server } = await target();
    const { url } = await startHttp(server, "127.0.0.1", 0, { limits: { connectionsMax: 4 } });
    const host = clientName({ address: "tcp://127.0.0.1:1" });
    for (let own = 0; own < 100; own++) server.parties.join(host);
    expect((await fetch(`${url}/hold`, { method: "OPTIONS" })).status).toBe(204);
  });

  test("of HTTP connections and of the queue over HTTP leaves both to who comes by ZeroMQ", async () => {
    const { client, server, release } = await target({ queueMax: 8 });
    const { url } = await startHttp(server, "127.0.0.1", 0, { limits: { connectionsMax: 20 } });
    let told = 0;
    const calls = Array.from({ length: 40 }, () =>
      fetch(`${url}/hold`, { method: "POST" })
        .then(
          ({ status }) => status,
          () => "cut off",
        )
        .finally(() => told++),
    );
    await expect.poll(() => server.executor.queued).toBe(6);
    const other = codeOf(client().call("hold", null));
    await expect.poll(() => server.executor.queued).toBe(7);
    // All but the one that runs and the six that wait: who came later would find places that are free again.
    await expect.poll(() => told).toBe(40 - 7);
    release("done");
    expect(await other).toBe("answered");
    const fates = await Promise.all(calls);
    expect(fates.filter((fate) => fate === 200)).toHaveLength(7);
    // Three quarters of the connections, and no more.
    expect(fates.filter((fate) => fate === "cut off").length).toBeGreaterThanOrEqual(25 - 7);
    expect(new Set(fates)).toEqual(new Set([200, 503, "cut off"]));
  });
});
