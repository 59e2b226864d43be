// Peers that do not speak the request protocol, or break it: plain ZeroMQ sockets have their say, the others are dropped, and nobody else
// notices.
import { silentLogger } from "@wherry/core";
import { describe, expect, test } from "vitest";
import { fate, messageType } from "../protocol/codes.ts";
import { encode } from "../protocol/frames.ts";
import { gate, type Peer, start } from "./server.suite.ts";

describe("plain ZeroMQ peers", () => {
  test("get the raw handler, with and without REQ's delimiter, in line with requests", async () => {
    const { peer } = await start({ raw: (frames) => frames });
    const [req, dealer] = [await peer(), await peer()];
    req.socket.send(["", "hi"]);
    dealer.socket.send(["a", "", "b"]);
    await expect
      .poll(() => [...req.raw, ...dealer.raw].map((frames) => frames.map(String)))
      .toEqual([
        ["", "hi"],
        ["a", "", "b"],
      ]);
  });

  test("are dropped with a count when the service takes none", async () => {
    const { peer, server } = await start({ methods: { echo: (body: unknown) => body } });
    const req = await peer();
    req.socket.send(["", "hi"]);
    await expect.poll(() => req.gone).toBe(true);
    expect(server.metrics.faults["no-raw-handler"]).toBe(1);
    expect(server.metrics.raw.dropped).toBe(1);
  });

  test("whoever is turned away gets the reason as its answer, and the log one warning a minute", async () => {
    const warnings: unknown[] = [];
    const log = { ...silentLogger, warn: (fields: object, message: string) => warnings.push({ ...fields, message }) };
    const { peer, clock } = await start({ methods: { echo: (body: unknown) => body } }, log);
    const [req, dealer] = [await peer(), await peer()];
    req.socket.send(["", "hi"]);
    dealer.socket.send(["hi"]);
    const reason = /^service test has no raw handler, only methods/;
    await expect.poll(() => dealer.messages).toEqual([expect.stringMatching(reason)]);
    await expect.poll(() => req.raw.map(([delimiter]) => delimiter?.length)).toEqual([0]);
    expect(String(req.raw[0]?.[2])).toContain("has no raw handler");
    const warned = { message: expect.stringContaining("a plain ZeroMQ peer was turned away: service test has no") };
    expect(warnings).toEqual([expect.objectContaining({ ...warned, peer: "memory://1", refused: 1 })]);
    await clock.advance(60_000);
    (await peer()).socket.send("hi");
    await expect.poll(() => warnings).toEqual([expect.anything(), expect.objectContaining({ ...warned, refused: 3 })]);
  });
});

describe("peers that break the protocol", () => {
  const request = encode(messageType.request, { id: 1, number: 1, texts: ["echo", "", ""] });
  const broken: readonly [string, (peer: Peer) => unknown, "malformed-message" | "protocol-violation"][] = [
    ["a header cut short", ({ socket }) => socket.send(request[0]?.subarray(0, 20) ?? ""), "malformed-message"],
    ["three frames", ({ socket }) => socket.send([...request, "a", "b"]), "malformed-message"],
    ["a request before HELLO", ({ socket }) => socket.send(request), "protocol-violation"],
    [
      "a server's message",
      (peer) => peer.hello().socket.send(encode(messageType.welcome, { texts: ["", ""] })),
      "protocol-violation",
    ],
    ["an id twice", (peer) => peer.hello().request(1, "wait", 1).request(1, "wait", 1), "protocol-violation"],
    ["a raw message after HELLO", (peer) => peer.hello().socket.send("hi"), "protocol-violation"],
  ];
  test.each(broken)("%s: that peer is dropped and counted, others are served", async (_name, send, fault) => {
    const { peer, server } = await start({
      methods: { wait: gate().handler, echo: (b: unknown) => b },
      concurrency: 2,
    });
    const [bad, good] = [await peer(), await peer()];
    send(bad);
    await expect.poll(() => bad.gone).toBe(true);
    expect(server.metrics.faults[fault]).toBe(1);
    good.hello().request(1, "echo", "still here");
    await expect.poll(() => good.answers).toEqual([[1, "still here"]]);
  });

  test("another version is told so", async () => {
    const { peer } = await start({ raw: (frames) => frames });
    const client = await peer();
    const [frame = new Uint8Array()] = encode(messageType.hello, { texts: ["x"] });
    frame[4] = 9;
    client.socket.send([frame]);
    await expect.poll(() => client.answers).toEqual([[0, "VERSION", fate.notStarted]]);
  });
});
