// The fan-out of one resource's changes: nobody misses one, nobody is waited for.
import { silentLogger } from "@wherry/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openMemoryBackend } from "../../store/index.ts";
import type { Backend } from "../../store/types.ts";
import { limits } from "../limits.ts";
import { Feed, type Subscription } from "./feed.ts";
import { ObjectCache } from "./objects.ts";

let backend: Backend;
let stop: AbortController;
let feed: Feed;
beforeEach(() => {
  backend = openMemoryBackend();
  stop = new AbortController();
  feed = newFeed();
});
afterEach(async () => {
  stop.abort();
  await backend.close();
});

const newFeed = (): Feed => new Feed(backend, "/core/pods/", new ObjectCache(1000), silentLogger, stop.signal);

let versions = new Map<string, number>();
beforeEach(() => (versions = new Map()));

async function put(name: string, namespace = "a", padding = ""): Promise<number> {
  const key = `/core/pods/${namespace}/${name}`;
  const result = await backend.put(key, versions.get(key) ?? 0, (revision) =>
    JSON.stringify({ metadata: { name, namespace, resourceVersion: String(revision) }, padding }),
  );
  if (result.outcome !== "written") throw new Error("a conflict in a test that has none");
  versions.set(key, result.entry.revision);
  return result.entry.revision;
}

function subscribe(after: number, prefix = "/core/pods/", from = feed): Subscription {
  const subscription = from.subscribe(after, { prefix });
  if ("outcome" in subscription) throw new Error(subscription.outcome);
  return subscription;
}

async function take(subscription: Subscription, count: number): Promise<string[]> {
  const names: string[] = [];
  while (names.length < count) {
    const items = await subscription.next();
    if (items === undefined) break;
    for (const item of items)
      if (item.type !== "progress") names.push((item.object as { metadata: { name: string } }).metadata.name);
  }
  return names;
}

describe("a feed", () => {
  it("gives who comes back what was missed, from memory", async () => {
    const first = subscribe(0);
    await put("a");
    const after = await put("b");
    await put("c");
    expect(await take(first, 3)).toEqual(["a", "b", "c"]);
    expect(await take(subscribe(after), 1)).toEqual(["c"]);
  });

  it("gives who comes from before its own start what was missed, from the store", async () => {
    const after = await put("a");
    for (let index = 0; index < 1000; index++) await put(`n${index}`);
    const late = newFeed();
    const subscription = subscribe(after, "/core/pods/", late);
    const caughtUp = await take(subscription, 1000);
    expect(caughtUp).toEqual(Array.from({ length: 1000 }, (_, index) => `n${index}`));
    await put("z");
    expect(await take(subscription, 1)).toEqual(["z"]);
  });

  it("shows a namespace alone", async () => {
    const one = subscribe(0, "/core/pods/b/");
    await put("x", "a");
    await put("y", "b");
    await put("z", "bb");
    await put("last", "b");
    expect(await take(one, 2)).toEqual(["y", "last"]);
  });

  it("drops a watcher that takes nothing, and serves the others", async () => {
    const slow = subscribe(0);
    const quick = subscribe(0);
    const count = limits.watchQueueEventsMax + 10;
    const taken = take(quick, count);
    for (let index = 0; index < count; index++) await put("same");
    expect(await taken).toHaveLength(count);
    expect(await slow.next()).toBeUndefined();
    expect(slow.complete).toBe(false);
    expect(feed.watchers).toBe(1);
  });

  it("counts what a watcher leaves lying by its size too, and keeps as much of the past as fits", async () => {
    const slow = subscribe(0);
    const quick = subscribe(0);
    const padding = "x".repeat(1_000_000);
    const count = 2 + Math.ceil(limits.watchQueueCharactersMax / padding.length);
    const taken = take(quick, count);
    for (let index = 0; index < count; index++) await put("same", "a", padding);
    expect(await taken).toHaveLength(count);
    expect(await slow.next()).toBeUndefined();
    expect(slow.complete).toBe(false);
    const last = versions.get("/core/pods/a/same") ?? 0;
    // The newest comes from memory; what is forgotten here, the store still has.
    expect(await take(subscribe(last - 1), 1)).toEqual(["same"]);
    expect(await take(subscribe(last - 50), 50)).toHaveLength(50);
  });

  it("hands over what waits before it ends by itself", async () => {
    const subscription = subscribe(0);
    const last = await put("a");
    await expect.poll(() => subscription.revision).toBe(last);
    subscription.finish();
    expect(await take(subscription, 5)).toEqual(["a"]);
    expect(subscription.complete).toBe(true);
  });

  it("says when history is gone", async () => {
    const after = await put("a");
    await put("b");
    await put("c");
    await backend.compact(backend.revision);
    expect(newFeed().subscribe(after - 1, { prefix: "/core/pods/" })).toMatchObject({ outcome: "compacted" });
    expect(feed.subscribe(999, { prefix: "/core/pods/" })).toMatchObject({ outcome: "future" });
  });
});
