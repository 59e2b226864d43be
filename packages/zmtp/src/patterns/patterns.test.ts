// What each socket type lets its user do, and how it routes.
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { echo, expectServed, keeper, RawPeer, text, until } from "../harness.suite.ts";
import {
  dealer,
  pair,
  publisher,
  push,
  reply,
  request,
  router,
  type SendingSocket,
  type Socket,
  xsubscriber,
} from "../index.ts";

const keep = keeper();

const bound = async (socket: Socket): Promise<string> => socket.bind("tcp://127.0.0.1:*");

describe("ROUTER", () => {
  it("says that nobody has the id", async () => {
    const server = keep(router());
    await bound(server);
    expect(server.send(["nobody", "x"])).toBe("no-peer");
    expect(server.send([Uint8Array.of(0, 1, 2, 3, 4), "x"])).toBe("no-peer");
  });

  it("says so of a peer that has left, even with the id that it was known by", async () => {
    const server = keep(router());
    const client = keep(dealer());
    client.connect(await bound(server));
    await client.writable();
    client.send("hi");
    const [from] = await server.receive();
    expect(server.send([from ?? "", "back"])).toBe("sent");
    await client.close();
    await until(() => server.peers.size === 0);
    expect(server.send([from ?? "", "back"])).toBe("no-peer");
  });

  it("finds a peer by the bytes of its id as well as by the array that came", async () => {
    const server = keep(router());
    const [named, unnamed] = [keep(dealer({ routingId: "named" })), keep(dealer())];
    const endpoint = await bound(server);
    for (const client of [named, unnamed]) {
      client.connect(endpoint);
      await client.writable();
      client.send("hi");
      const [from = new Uint8Array()] = await server.receive();
      expect(server.send([Uint8Array.from(from), "copy"])).toBe("sent");
      expect(server.send([from, "same"])).toBe("sent");
      expect(server.peer(Uint8Array.from(from))?.routingId).toEqual(from);
      expect(text(await client.receive())).toEqual(["copy"]);
      expect(text(await client.receive())).toEqual(["same"]);
    }
    expect(server.send(["named", "by text"])).toBe("sent");
  });

  it("hands a routing id over to the newer connection", async () => {
    const server = keep(router());
    const endpoint = await bound(server);
    const left: string[] = [];
    server.on("disconnect", (_peer, reason) => left.push(reason));
    const older = await RawPeer.connect(endpoint);
    older.introduce("DEALER", "same");
    await until(() => server.peers.size === 1);
    const newer = keep(dealer({ routingId: "same" }));
    newer.connect(endpoint);
    await newer.writable();
    await until(() => older.ended);
    expect(left).toEqual(["handed-over"]);
    expect(server.peers.size).toBe(1);
    expect(server.send(["same", "to the newer"])).toBe("sent");
    expect(text(await newer.receive())).toEqual(["to the newer"]);
  });

  it("refuses a message that names nobody or says nothing", () => {
    const server = keep(router());
    expect(() => server.send("x")).toThrow(expect.objectContaining({ code: "ZMTP_MESSAGE_INVALID" }));
    expect(() => server.send(["id"])).toThrow(expect.objectContaining({ code: "ZMTP_MESSAGE_INVALID" }));
  });
});

describe("DEALER", () => {
  it("keeps nothing for a peer that is not there", async () => {
    const client = keep(dealer());
    expect(client.send("x")).toBe("no-peer");
    client.connect("tcp://127.0.0.1:9");
    expect(client.send("x")).toBe("no-peer");
    expect(() => client.send([])).toThrow(expect.objectContaining({ code: "ZMTP_MESSAGE_INVALID" }));
    await expect(client.writable(AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
  });

  it("sends to its peers in turn, and receives from all", async () => {
    const servers = [keep(router()), keep(router()), keep(router())];
    const client = keep(dealer());
    for (const server of servers) client.connect(await bound(server));
    await until(() => client.peers.size === 3);
    for (let n = 0; n < 9; n++) client.send(String(n));
    for (const server of servers) {
      for (let n = 0; n < 3; n++) server.send(await server.receive());
    }
    const got = await Promise.all(Array.from({ length: 9 }, () => client.receive()));
    expect(got.map((m) => text(m)[0]).sort()).toEqual(["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
    expect(servers.map((server) => server.counters.messagesIn)).toEqual([3, 3, 3]);
  });
});

describe("fair queueing", () => {
  it("gives a quiet peer its turn between a loud one's messages", async () => {
    const server = keep(router());
    const endpoint = await bound(server);
    const [loud, quiet] = [keep(dealer({ routingId: "loud" })), keep(dealer({ routingId: "quiet" }))];
    for (const client of [loud, quiet]) client.connect(endpoint);
    await Promise.all([loud.writable(), quiet.writable()]);
    for (let n = 0; n < 500; n++) loud.send("x");
    await until(() => server.counters.messagesIn === 500);
    quiet.send("y");
    await until(() => server.counters.messagesIn === 501);
    const first = [await server.receive(), await server.receive()];
    expect(first.map((m) => text(m)[0]).sort()).toEqual(["loud", "quiet"]);
  });
});

describe("REQ", () => {
  it("alternates strictly", async () => {
    const server = keep(reply());
    const client = keep(request());
    expect(client.send("x")).toBe("no-peer");
    client.connect(await bound(server));
    await client.writable();
    await expect(client.receive()).rejects.toMatchObject({ code: "ZMTP_STATE" });
    expect(client.send("one")).toBe("sent");
    expect(client.send("two")).toBe("state");
    expect(text(await server.receive())).toEqual(["one"]);
    expect(server.send(["re", "one"])).toBe("sent");
    expect(text(await client.receive())).toEqual(["re", "one"]);
    expect(client.send("three")).toBe("sent");
  });

  it("is told when the peer that owed the reply leaves, and can go on", async () => {
    const first = keep(reply());
    const client = keep(request());
    const endpoint = await bound(first);
    client.connect(endpoint);
    await client.writable();
    client.send("lost");
    const told = expect(client.receive()).rejects.toMatchObject({ code: "ZMTP_REPLY_LOST" });
    await first.receive();
    await first.close();
    await told;

    const second = keep(reply());
    echo(second);
    await second.bind(endpoint);
    await client.writable();
    await expectServed(client, "again");
  });

  it("is told at its next receive when it was not waiting", async () => {
    const server = keep(reply());
    const client = keep(request());
    client.connect(await bound(server));
    await client.writable();
    client.send("lost");
    await server.close();
    await until(() => client.peers.size === 0);
    await until(() => client.counters.disconnected === 1);
    await expect(client.receive()).rejects.toMatchObject({ code: "ZMTP_REPLY_LOST" });
    await expect(client.receive()).rejects.toMatchObject({ code: "ZMTP_STATE" });
  });

  it("is told as well when all that came from the peer was malformed", async () => {
    const server = keep(router());
    const client = keep(request());
    client.connect(await bound(server));
    await client.writable();
    client.send("question");
    const [from = ""] = await server.receive();
    server.send([from, "no delimiter"]);
    await until(() => client.counters.messagesIn === 1);
    await server.close();
    await until(() => client.counters.disconnected === 1);
    await expect(client.receive()).rejects.toMatchObject({ code: "ZMTP_REPLY_LOST" });
  });

  it("still gets a reply that had come before the peer left", async () => {
    const server = keep(reply());
    echo(server);
    const client = keep(request());
    client.connect(await bound(server));
    await client.writable();
    client.send("question");
    await until(() => client.counters.messagesIn === 1);
    await server.close();
    await until(() => client.counters.disconnected === 1);
    expect(text(await client.receive())).toEqual(["question"]);
  });

  it("discards replies that nobody asked for, and malformed ones", async () => {
    const server = keep(router());
    const client = keep(request());
    client.connect(await bound(server));
    await client.writable();
    client.send("question");
    const [from = "", delimiter = ""] = await server.receive();
    server.send([from, "no delimiter"]);
    server.send([from, delimiter, "answer"]);
    server.send([from, delimiter, "one too many"]);
    expect(text(await client.receive())).toEqual(["answer"]);
    await until(() => client.counters.messagesIn === 3);
    client.send("next");
    server.send([from, delimiter, "next answer"]);
    expect(text(await client.receive())).toEqual(["next answer"]);
    expect(client.counters.discarded).toBe(2);
  });

  it("asks its peers in turn", async () => {
    const servers = [keep(reply()), keep(reply())];
    servers.forEach(echo);
    const client = keep(request());
    for (const server of servers) client.connect(await bound(server));
    await until(() => client.peers.size === 2);
    for (let n = 0; n < 4; n++) await expectServed(client, String(n));
    expect(servers.map((server) => server.counters.messagesIn)).toEqual([2, 2]);
  });
});

describe("REP", () => {
  it("takes the next request after it has replied to the one before", async () => {
    const server = keep(reply());
    const endpoint = await bound(server);
    const clients = [keep(request()), keep(request())];
    for (const client of clients) client.connect(endpoint);
    await Promise.all(clients.map((client) => client.writable()));
    clients.forEach((client, n) => client.send(String(n)));
    expect(server.send("early")).toBe("state");
    const seen = text(await server.receive());
    await expect(server.receive()).rejects.toMatchObject({ code: "ZMTP_STATE" });
    expect(server.send(seen)).toBe("sent");
    seen.push(...text(await server.receive()));
    expect(server.send("second")).toBe("sent");
    expect(seen.sort()).toEqual(["0", "1"]);
  });

  it("hands its handler one request at a time", async () => {
    const server = keep(reply());
    const endpoint = await bound(server);
    const sizes: number[] = [];
    server.onMessages((messages) => {
      sizes.push(messages.length);
      setImmediate(() => server.send(messages[0] ?? ""));
      return undefined;
    });
    const clients = Array.from({ length: 5 }, () => keep(request()));
    for (const client of clients) client.connect(endpoint);
    await Promise.all(clients.map((client) => client.writable()));
    await Promise.all(clients.map((client, n) => expectServed(client, String(n))));
    expect(sizes).toEqual([1, 1, 1, 1, 1]);
  });

  it("says when the one who asked has left, and serves the next", async () => {
    const server = keep(reply());
    const endpoint = await bound(server);
    const [leaver, stayer] = [keep(request()), keep(request())];
    leaver.connect(endpoint);
    await leaver.writable();
    leaver.send("bye");
    await server.receive();
    await leaver.close();
    await until(() => server.peers.size === 0);
    expect(server.send("too late")).toBe("no-peer");
    echo(server);
    stayer.connect(endpoint);
    await stayer.writable();
    await expectServed(stayer, "still there?");
  });

  it("discards a request without a delimiter, and counts it", async () => {
    const server = keep(reply());
    echo(server);
    const client = keep(dealer());
    client.connect(await bound(server));
    await client.writable();
    client.send("no envelope");
    client.send(["envelope", ""]);
    client.send(["", "proper"]);
    expect(text(await client.receive())).toEqual(["", "proper"]);
    expect(server.counters.discarded).toBe(2);
  });
});

describe("what is no message", () => {
  it.each<[string, () => SendingSocket]>([
    ["DEALER", dealer],
    ["ROUTER", router],
    ["PUSH", push],
    ["PUB", publisher],
    ["XSUB", xsubscriber],
    ["PAIR", pair],
    ["REQ", request],
    ["REP", reply],
  ])("is refused by %s, and nothing of it is sent", async (type, make) => {
    // Its first frame was once sent, and the next message was taken for the rest of it; or the queue was full for ever.
    const socket = keep(make());
    const wrong: unknown[] = [
      ["a", 5],
      ["a", null],
      ["a", undefined],
      ["a", ["b"]],
      ["a", {}],
      ["a", new DataView(new ArrayBuffer(2))],
      ["a", Uint16Array.of(1, 2)],
      5,
      {},
      [],
    ];
    for (const message of wrong)
      expect(() => socket.send(message as string[])).toThrow(expect.objectContaining({ code: "ZMTP_MESSAGE_INVALID" }));
    expect(() => socket.send(["a", 5] as unknown as string[])).toThrow(/frame 1: expected text or a Uint8Array, got 5/);
    if (type !== "DEALER") return;
    const server = keep(router());
    socket.connect(await server.bind("tcp://127.0.0.1:*"));
    await expect.poll(() => socket.peers.size).toBe(1);
    expect(() => socket.send(["a", 5] as unknown as string[])).toThrow("frame 1");
    // Of another realm, as in a test runner that runs each file in a context of its own.
    const foreign = runInNewContext("Uint8Array.of(98)") as Uint8Array;
    expect(socket.send(["good", foreign])).toBe("sent");
    expect(text(await server.receive()).slice(1)).toEqual(["good", "b"]);
  });
});
