// RFC 29 with other peers: older ones and greedy ones, by their bytes, and libzmq.
import { describe, expect, it } from "vitest";
import * as zmq from "zeromq";
import { RawPeer, ready, text, until } from "../harness.suite.ts";
import { dealer, publisher, subscriber, xpublisher } from "../index.ts";
import { limits } from "../limits.ts";
import { encodeCommand } from "../wire/command.ts";
import { encodeGreeting } from "../wire/greeting.ts";
import { anyPort, keep, next, open, patience, subscribed } from "./pubsub.suite.ts";

describe("on the wire", () => {
  /** A peer of ZMTP 3.0, where subscriptions are messages. */
  const introduce30 = (peer: RawPeer, socketType: string): void => {
    const greeting = encodeGreeting("NULL", false);
    greeting[11] = 0;
    peer.send(greeting, ready(socketType));
  };

  it("a publisher understands ZMTP 3.0 peers, and commands mixed with messages, in order", async () => {
    const news = keep(xpublisher({ report: "all" }));
    const peer = await RawPeer.connect(await news.bind(anyPort));
    open.push(() => peer.destroy());
    introduce30(peer, "SUB");
    peer.send([0, 2, 1, 97], [0, 2, 0, 97], encodeCommand("SUBSCRIBE", Buffer.from("b")), [0, 2, 0, 98], [0, 2, 1, 99]);
    const got = [];
    for (let n = 0; n < 5; n++) got.push((await next(news))[0]);
    expect(got).toEqual(["\u0001a", "\u0000a", "\u0001b", "\u0000b", "\u0001c"]);
    expect([news.send("a"), news.send("b"), news.send("c")]).toEqual(["no-peer", "no-peer", "sent"]);
  });

  it.each([
    ["3.0", 0, [0, 3, 1, 120, 121, 0, 3, 0, 120, 121]],
    ["3.1", 1, [...encodeCommand("SUBSCRIBE", Buffer.from("xy")), ...encodeCommand("CANCEL", Buffer.from("xy"))]],
  ] as const)("a subscriber speaks to a ZMTP %s publisher in its form", async (_, minor, expected) => {
    const { createServer } = await import("node:net");
    let received = Buffer.alloc(0);
    const server = createServer((socket) => {
      const greeting = encodeGreeting("NULL", false);
      greeting[11] = minor;
      socket.write(Buffer.concat([greeting, ready("PUB")]));
      socket.on("data", (chunk) => {
        received = Buffer.concat([received, chunk]);
      });
      socket.on("error", () => undefined);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    open.push(() => server.close());
    const reader = keep(subscriber());
    reader.subscribe("xy");
    reader.connect(`tcp://127.0.0.1:${(server.address() as { port: number }).port}`);
    await until(() => reader.peers.size === 1);
    reader.unsubscribe("xy");
    const end = Buffer.from(expected);
    await until(() => received.subarray(-end.length).equals(end));
  });

  it("a topic as long as a command may be arrives", async () => {
    const news = keep(xpublisher());
    const reader = keep(subscriber());
    const topic = Buffer.alloc(limits.commandBytesMax - 10, 7);
    reader.subscribe(topic);
    reader.connect(await news.bind(anyPort));
    const [frame] = await news.receive(patience());
    expect(frame?.length).toBe(topic.length + 1);
    expect(news.send(topic)).toBe("sent");
    expect((await reader.receive(patience()))[0]?.length).toBe(topic.length);
  });

  it("a peer that subscribes without end is dropped, and the others are served", async () => {
    const news = keep(publisher());
    const reader = keep(subscriber());
    const endpoint = await news.bind(anyPort);
    reader.connect(endpoint);
    await subscribed(news, reader);
    const greedy = await RawPeer.connect(endpoint);
    open.push(() => greedy.destroy());
    greedy.introduce("SUB");
    const drops: string[] = [];
    news.on("disconnect", (_peer, reason) => drops.push(reason));
    for (let n = 0; n < 140 && !greedy.ended; n++)
      greedy.send(encodeCommand("SUBSCRIBE", Buffer.alloc(65_000, n)), encodeCommand("SUBSCRIBE", Buffer.from([n])));
    await until(() => drops.length === 1);
    expect(drops).toEqual(["too-many-subscriptions"]);
    expect(news.counters.drops["too-many-subscriptions"]).toBe(1);
    reader.subscribe("still");
    await subscribed(news, reader);
    expect(news.send("still here")).toBe("sent");
  });

  it("subscriptions mean nothing to other socket types", async () => {
    const plain = keep(dealer());
    const peer = await RawPeer.connect(await plain.bind(anyPort));
    open.push(() => peer.destroy());
    peer.introduce("DEALER");
    peer.send(encodeCommand("SUBSCRIBE", Buffer.from("x")), [0, 1, 97]);
    expect(await next(plain)).toEqual(["a"]);
  });
});

describe("with libzmq", () => {
  it("our filters are its filters, before and after connecting, and taken back", async () => {
    const news = new zmq.XPublisher({ linger: 0, receiveTimeout: 60_000 });
    open.push(() => news.close());
    await news.bind(anyPort);
    const reader = keep(subscriber());
    reader.subscribe("before.");
    reader.connect(news.lastEndpoint ?? "");
    expect(text(await news.receive())).toEqual(["\u0001before."]);
    reader.subscribe("after.");
    expect(text(await news.receive())).toEqual(["\u0001after."]);
    await news.send("before.1");
    await news.send("other.1");
    await news.send(["after.1", "x"]);
    expect([await next(reader), await next(reader)]).toEqual([["before.1"], ["after.1", "x"]]);
    reader.unsubscribe("before.");
    expect(text(await news.receive())).toEqual(["\u0000before."]);
    expect(reader.counters.discarded).toBe(0);
  });

  it("its filters are ours", async () => {
    const news = keep(xpublisher());
    const reader = new zmq.Subscriber({ linger: 0, receiveTimeout: 60_000 });
    open.push(() => reader.close());
    reader.subscribe("before.");
    reader.connect(await news.bind(anyPort));
    expect(await next(news)).toEqual(["\u0001before."]);
    reader.subscribe("after.");
    expect(await next(news)).toEqual(["\u0001after."]);
    expect([news.send("before.1"), news.send("other.1"), news.send(["after.1", "x"])]).toEqual([
      "sent",
      "no-peer",
      "sent",
    ]);
    expect([text(await reader.receive()), text(await reader.receive())]).toEqual([["before.1"], ["after.1", "x"]]);
    reader.unsubscribe("before.");
    expect(await next(news)).toEqual(["\u0000before."]);
  });
});
