// RFC 29 between our own sockets: what is delivered to whom, who hears of what, and what becomes of slow subscribers.
import { describe, expect, it } from "vitest";
import { RawPeer, until } from "../harness.suite.ts";
import { publisher, type ReceivingSocket, subscriber, xpublisher, xsubscriber } from "../index.ts";
import { encodeCommand } from "../wire/command.ts";
import { anyPort, keep, next, open, patience, subscribed } from "./pubsub.suite.ts";

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
