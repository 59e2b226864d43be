// How requests get lost at the edges of a pod's life, each as a test: what a client does that knows the protocol loses none.
import { describe, expect, test } from "vitest";
import { messageType } from "../protocol/codes.ts";
import { decode } from "../protocol/frames.ts";
import type { MemoryRouter } from "../testing/memory-network.ts";
import { noting, world } from "./world.suite.ts";

const typesSent = (router: MemoryRouter): (number | undefined)[] =>
  router.sent.map(({ frames }) => {
    const decoded = decode(frames);
    return typeof decoded === "string" ? undefined : decoded.header.type;
  });

describe("a draining pod", () => {
  test("the first request after GOAWAY goes elsewhere, or waits for the next pod", async () => {
    const { client, pod, list, available, clock } = world();
    const ran: string[] = [];
    const { server } = await pod("a", noting(ran, "a"));
    list("a");
    await available(1);
    const drained = server.drain({ timeoutMs: 5000, minimumMs: 1000 });
    await available(0);
    const call = client.call("who", 1);
    await clock.advance(100);
    expect(ran).toEqual([]);
    await pod("b", noting(ran, "b"));
    list("b");
    await clock.advance(1000);
    expect(await call).toBe("b");
    expect(await drained).toMatchObject({ reason: "drained", refused: 0, aborted: 0 });
  });

  test("a request that crosses GOAWAY on the wire is served", async () => {
    const { client, pod, list, available, clock } = world();
    const { server } = await pod("a", noting([], "a"));
    list("a");
    await available(1);
    const call = client.call("who", 1);
    const drained = server.drain({ timeoutMs: 5000, minimumMs: 0 });
    await clock.advance(100);
    expect(await call).toBe("a");
    expect(await drained).toMatchObject({ reason: "drained", refused: 0, aborted: 0 });
  });

  test("a client that reconnects to it is told again, sends it nothing more, and does not hold it up", async () => {
    const { client, pod, list, available, clock } = world();
    let finish: (value: string) => void = () => undefined;
    const handler = (): Promise<string> => new Promise((resolve) => (finish = resolve));
    const { server, router } = await pod("a", { methods: { who: handler } });
    list("a");
    await available(1);
    const cut = client.call("who", 1).catch((error: unknown) => error);
    await expect.poll(() => server.executor.running).toBe(1);
    const drained = server.drain({ timeoutMs: 5000, minimumMs: 0 });
    await available(0);
    [...router.connections.values()][0]?.close("connection-error");
    expect(await cut).toMatchObject({ code: "ABORTED", fate: "maybe-executed" });
    await clock.advance(50);
    expect(typesSent(router).filter((type) => type === messageType.goaway)).toHaveLength(2);
    await pod("b", noting([], "b"));
    list("a", "b");
    await available(1);
    expect(await Promise.all([client.call("who", 2), client.call("who", 3)])).toEqual(["b", "b"]);
    finish("too late");
    await clock.advance(50);
    expect(await drained).toMatchObject({ reason: "drained" });
  });
});

test("while the watch is cut for a minute, pods that are known go on, whatever befalls them", async () => {
  const { client, pod, list, problem, available, clock, network } = world();
  const first = await pod("a", noting([], "a"));
  await pod("b", noting([], "b"));
  list("a", "b");
  await available(2);
  problem(false);
  first.router.kill();
  for (let second = 0; second < 60; second++) {
    expect(await client.call("who", second)).toBe("b");
    await clock.advance(1000);
  }
  await pod("a", noting([], "a again"));
  network.retry();
  await available(2);
  const answers = await Promise.all(Array.from({ length: 20 }, () => client.call("who", 1)));
  expect(new Set(answers)).toEqual(new Set(["a again", "b"]));
});

describe("an address that somebody else has now", () => {
  test("another service gets no call, also at static endpoints, and is not held up by us when it drains", async () => {
    const { client, pod, list, clock } = world();
    const ran: string[] = [];
    const { server } = await pod("a", noting(ran, "wrong"), undefined, "mail");
    list("a");
    const call = client.call("who", 1, { deadlineMs: 100 }).catch((error: unknown) => error);
    await clock.advance(200);
    expect(await call).toMatchObject({
      code: "UNAVAILABLE",
      fate: "not-started",
      message: expect.stringMatching(/expected service test, tcp:\/\/a answers as mail/),
    });
    expect(ran).toEqual([]);
    const drained = server.drain({ timeoutMs: 5000, minimumMs: 0 });
    await clock.advance(50);
    expect(await drained).toMatchObject({ reason: "drained" });
  });

  test("is used again when the right one is back; calls wait meanwhile", async () => {
    const { client, pod, list, clock, network } = world();
    const { router } = await pod("a", noting([], "wrong"), "uid-2", "mail");
    list({ name: "a", pod: "uid-1" });
    const call = client.call("who", 1);
    await clock.advance(100);
    router.kill();
    const other = await pod("a", noting([], "another pod"), "uid-3");
    network.retry();
    await clock.advance(100);
    other.router.kill();
    await pod("a", noting([], "right"), "uid-1");
    network.retry();
    expect(await call).toBe("right");
  });
});
