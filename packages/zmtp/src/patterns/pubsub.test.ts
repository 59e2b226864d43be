// RFC 29, on both sides: what is delivered to whom, who hears of what, and what becomes of slow and greedy peers.
import { afterEach, describe, expect, it } from "vitest";
import * as zmq from "zeromq";
import { RawPeer, ready, text, until } from "../harness.suite.ts";
import {
  type AnySocket,
  dealer,
  publisher,
  type ReceivingSocket,
  type Subscribing,
  subscriber,
  xpublisher,
  xsubscriber,
} from "../index.ts";
import { limits } from "../limits.ts";
import { encodeCommand } from "../wire/command.ts";
import { encodeGreeting } from "../wire/greeting.ts";

const open: (() => unknown)[] = [];
const keep = <T extends AnySocket>(socket: T): T => {
  open.push(() => socket.close({ lingerMs: 50 }));
  return socket;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()));
});
const anyPort = "tcp://127.0.0.1:*";
const patience = (): AbortSignal => AbortSignal.timeout(5_000);
const next = async (socket: ReceivingSocket): Promise<string[]> => text(await socket.receive(patience()));

/** Subscribes, and waits until the publisher knows: it then hears of a topic that is new for the test. */
let markers = 0;
async function subscribed(news: AnyPublisher, ...readers: (ReceivingSocket & Subscribing)[]): Promise<void> {
  for (const reader of readers) {
    const marker = `marker-${++markers}`;
    reader.subscribe(marker);
    await until(() => news.send(marker) === "sent");
    expect(await next(reader)).toEqual([marker]);
  }
}
interface AnyPublisher {
  send(message: string): string;
}

describe("subscribing", () => {
  it.each(["before", "after"] as const)("%s connecting", async (when) => {
    const news = keep(publisher());
    const reader = keep(subscriber());
    if (when === "before") reader.subscribe("a.", "b.");
    reader.connect(await news.bind(anyPort));
    if (when === "after") {
      await until(() => reader.peers.size === 1);
      reader.subscribe("a.", "b.");
    }
    await subscribed(news, reader);
    expect(news.send(["c.1", "no"])).toBe("no-peer");
    expect(news.send(["b.2", "yes"])).toBe("sent");
    expect(news.send("a.")).toBe("sent");
    expect(await next(reader)).toEqual(["b.2", "yes"]);
    expect(await next(reader)).toEqual(["a."]);
  });

  it("is said again to a publisher that comes back, and to one that is added", async () => {
    const first = publisher();
    const reader = keep(subscriber({ reconnect: { firstMs: 1, maxMs: 20 } }));
    reader.subscribe("topic");
    const endpoint = await first.bind(anyPort);
    reader.connect(endpoint);
    await first.writable(patience());
    await first.close();
    const second = keep(publisher());
    await second.bind(endpoint);
    const third = keep(publisher());
    reader.connect(await third.bind(anyPort));
    for (const each of [second, third]) {
      await each.writable(patience());
      expect(each.send("topic 2")).toBe("sent");
      expect(await next(reader)).toEqual(["topic 2"]);
    }
  });

  it("twice needs unsubscribing twice", async () => {
    const news = keep(publisher());
    const reader = keep(subscriber());
    reader.connect(await news.bind(anyPort));
    reader.subscribe("x", "x");
    reader.unsubscribe("x", "never subscribed");
    await subscribed(news, reader);
    expect(news.send("x1")).toBe("sent");
    expect(await next(reader)).toEqual(["x1"]);
    reader.unsubscribe("x");
    await until(() => news.send("x2") === "no-peer");
  });

  it("what was on its way when the topic was taken back is not delivered", async () => {
    const news = keep(publisher());
    const reader = keep(subscriber());
    reader.connect(await news.bind(anyPort));
    reader.subscribe("x", "y");
    await subscribed(news, reader);
    expect([news.send("x1"), news.send("y1")]).toEqual(["sent", "sent"]);
    reader.unsubscribe("x");
    expect(await next(reader)).toEqual(["y1"]);
    expect(reader.counters.discarded).toBe(1);
  });

  it("with several topics that match, a message comes once", async () => {
    const news = keep(publisher());
    const reader = keep(subscriber());
    reader.connect(await news.bind(anyPort));
    reader.subscribe("", "a", "ab", "abc");
    await subscribed(news, reader);
    news.send("abc");
    news.send("end");
    expect([await next(reader), await next(reader)]).toEqual([["abc"], ["end"]]);
  });

  it("ends with the connection", async () => {
    const news = keep(publisher());
    const reader = subscriber();
    reader.subscribe("x");
    reader.connect(await news.bind(anyPort));
    await news.writable(patience());
    await reader.close();
    await until(() => news.send("x") === "no-peer");
  });
});

describe("publishing", () => {
  it("gives the same bytes to all, whatever their sizes", async () => {
    const news = keep(publisher());
    const readers = [keep(subscriber()), keep(subscriber()), keep(subscriber())];
    const endpoint = await news.bind(anyPort);
    for (const reader of readers) reader.connect(endpoint);
    await subscribed(news, ...readers);
    for (const reader of readers) reader.subscribe("t");
    await subscribed(news, ...readers);
    const sizes = [0, 1, 255, 256, 8_191, 8_192, 8_193, 100_000, 5, 8_192, 8_192, 8_192, 0];
    const message = ["t", ...sizes.map((size, index) => Buffer.alloc(size, index + 1))];
    expect(news.send(message)).toBe("sent");
    for (const reader of readers) {
      const got = await reader.receive(patience());
      expect(Buffer.concat(got).equals(Buffer.concat(message.map((frame) => Buffer.from(frame as string))))).toBe(true);
      expect(got.slice(1).map((frame) => frame.length)).toEqual(sizes);
    }
  });

  it("a slow subscriber misses messages, which is seen; the others get all", async () => {
    const news = keep(publisher({ peerQueueMessagesMax: 10 }));
    const endpoint = await news.bind(anyPort);
    const deaf = await RawPeer.connect(endpoint);
    open.push(() => deaf.destroy());
    deaf.introduce("SUB", "deaf");
    deaf.send(encodeCommand("SUBSCRIBE"));
    await news.writable(patience());
    const reader = keep(subscriber());
    reader.subscribe("");
    reader.connect(endpoint);
    await until(() => news.peers.size === 2);
    await until(() => news.send("start") === "sent" && reader.counters.messagesIn > 0);
    deaf.socket.pause();
    const slow: string[] = [];
    news.on("slow", (peer) => {
      slow.push(String(peer.routingId));
      // A listener may send; nobody else's message suffers from it.
      expect(news.send("somebody is slow")).toBe("partly");
    });
    let got = reader.counters.messagesIn;
    let published = 0;
    let answer = "";
    while (published < 5_000 && answer !== "partly") {
      answer = news.send(Buffer.alloc(100_000));
      published++;
      await until(() => reader.counters.messagesIn > got);
      got = reader.counters.messagesIn;
      await reader.receiveBatch();
    }
    expect(answer).toBe("partly");
    expect(slow).toEqual(["deaf"]);
    expect(news.send("one more")).toBe("partly");
    expect(slow).toEqual(["deaf"]);
    const peer = [...news.peers.values()].find((each) => String(each.routingId) === "deaf");
    expect(peer?.missedMessages).toBe(3);
    expect(news.counters.missed).toBe(3);
    expect(news.sendBatch(["b", "b"])).toEqual({ accepted: 2, result: "partly" });
    deaf.destroy();
    await until(() => news.peers.size === 1);
    expect(news.counters.missed).toBe(5);
    expect(news.send("again")).toBe("sent");
  });

  it("with `refuse`, nobody gets what one cannot take, and `writable` waits for that one", async () => {
    const news = keep(publisher({ peerQueueMessagesMax: 1, onSlow: "refuse" }));
    const slow = keep(subscriber({ receiveQueueMessagesMax: 1 }));
    const quick = keep(subscriber());
    const endpoint = await news.bind(anyPort);
    for (const reader of [slow, quick]) reader.connect(endpoint);
    await subscribed(news, slow, quick);
    for (const reader of [slow, quick]) reader.subscribe("n");
    await subscribed(news, slow, quick);
    let accepted = 0;
    while (news.send(["n", Buffer.alloc(100_000)]) === "sent") accepted++;
    expect(news.sendBatch(["n", "n"])).toEqual({ accepted: 0, result: "full" });
    const writable = news.writable(patience());
    let gotBySlow = 0;
    slow.onMessages((messages) => {
      gotBySlow += messages.length;
      return undefined;
    });
    let gotByQuick = 0;
    quick.onMessages((messages) => {
      gotByQuick += messages.length;
      return undefined;
    });
    await writable;
    expect(news.send("n end")).toBe("sent");
    await until(() => gotByQuick === accepted + 1 && gotBySlow === accepted + 1);
    expect(news.counters.missed).toBe(0);
  });

  it("refuses options that it does not know", () => {
    const expected = expect.objectContaining({ code: "ZMTP_OPTION_INVALID" });
    expect(() => publisher({ onSlow: "wait" as "drop" })).toThrow(expected);
    expect(() => xpublisher({ report: "some" as "all" })).toThrow(expected);
  });

  it("does not receive: what a subscriber sends is discarded, and counted", async () => {
    const news = keep(publisher());
    const upstream = keep(xsubscriber());
    upstream.connect(await news.bind(anyPort));
    await upstream.writable(patience());
    expect(upstream.send("hello")).toBe("sent");
    await until(() => news.counters.discarded === 1);
    await expect((news as unknown as ReceivingSocket).receive()).rejects.toMatchObject({ code: "ZMTP_STATE" });
  });
});

describe("XPUB and XSUB", () => {
  it("the reader hears of a topic's first and last subscription, also when a peer leaves", async () => {
    const news = keep(xpublisher());
    const endpoint = await news.bind(anyPort);
    const [one, two] = [subscriber(), subscriber()];
    for (const reader of [one, two]) reader.connect(endpoint);
    await until(() => news.peers.size === 2);
    one.subscribe("t");
    expect(await next(news)).toEqual(["\u0001t"]);
    two.subscribe("t");
    two.subscribe("u");
    expect(await next(news)).toEqual(["\u0001u"]);
    await one.close();
    two.unsubscribe("u");
    expect(await next(news)).toEqual(["\u0000u"]);
    await until(() => news.peers.size === 1);
    await two.close();
    expect(await next(news)).toEqual(["\u0000t"]);
  });

  it("`report: all` tells of each", async () => {
    const news = keep(xpublisher({ report: "all" }));
    const endpoint = await news.bind(anyPort);
    const [one, two] = [keep(subscriber()), keep(subscriber())];
    for (const reader of [one, two]) reader.connect(endpoint);
    one.subscribe("t");
    expect(await next(news)).toEqual(["\u0001t"]);
    two.subscribe("t");
    expect(await next(news)).toEqual(["\u0001t"]);
  });

  it("make a proxy: subscriptions go up, messages come down", async () => {
    const source = keep(publisher());
    const [front, back] = [keep(xsubscriber()), keep(xpublisher())];
    front.connect(await source.bind(anyPort));
    const reader = keep(subscriber());
    reader.subscribe("news.");
    front.onMessages((messages) => {
      for (const message of messages) back.send(message);
      return undefined;
    });
    back.onMessages((messages) => {
      for (const message of messages) front.send(message);
      return undefined;
    });
    reader.connect(await back.bind(anyPort));
    await source.writable(patience());
    expect(source.send(["weather.1"])).toBe("no-peer");
    expect(source.send(["news.1", "text"])).toBe("sent");
    expect(await next(reader)).toEqual(["news.1", "text"]);
    await reader.close();
    await until(() => source.send("news.2") === "no-peer");
  });

  it("XSUB sends to all publishers, and says when there is none", async () => {
    const up = keep(xsubscriber());
    expect(up.send("x")).toBe("no-peer");
    const publishers = [keep(xpublisher()), keep(xpublisher())];
    for (const each of publishers) up.connect(await each.bind(anyPort));
    await until(() => up.peers.size === 2);
    expect(up.send(["to", "all"])).toBe("sent");
    for (const each of publishers) expect(await next(each)).toEqual(["to", "all"]);
  });
});

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
    const news = new zmq.XPublisher({ linger: 0, receiveTimeout: 5_000 });
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
    const reader = new zmq.Subscriber({ linger: 0, receiveTimeout: 5_000 });
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
