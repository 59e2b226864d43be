// Watches: every change once and in order, selections, bookmarks, and what happens when history is gone.
import { type ConfigMap, resources, StatusError } from "@wherry/kube";
import type { WatchOptions } from "@wherry/kube/client";
import { describe, expect, it } from "vitest";
import { abort, bodyOf, create, get, harness } from "./config-maps.suite.ts";
import { root } from "./harness.suite.ts";
import type { ApiWatchEvent } from "./types.ts";

interface Seen {
  readonly type: string;
  readonly object: {
    readonly metadata: {
      readonly name?: string;
      readonly resourceVersion: string;
      readonly annotations?: Record<string, string>;
    };
    readonly code?: number;
  };
}

/** Collects a raw watch's events until the test ends. */
async function watching(query: string): Promise<Seen[]> {
  const { body, status } = await get(`watch=true&${query}`);
  if (!("events" in body)) throw new StatusError({ ...(bodyOf({ status, body }) as object), code: status });
  const seen: Seen[] = [];
  void (async () => {
    for await (const batch of body.events) for (const { json } of batch) seen.push(JSON.parse(json) as Seen);
    seen.push({ type: "END", object: { metadata: { resourceVersion: "" } } });
  })();
  return seen;
}

const told = (seen: readonly Seen[]): string[] =>
  seen.map(({ type, object }) => `${type} ${object.metadata.name ?? ""}`.trim());

describe("watch", () => {
  it("shows the current state and then every change, in order, each once", async () => {
    await create("a");
    const seen = await watching("");
    await create("b");
    await harness.client.patch(resources.configmaps, { name: "a", namespace: "default" }, "merge", {
      data: { x: "1" },
    });
    await harness.client.delete(resources.configmaps, { name: "b", namespace: "default" });
    await expect.poll(() => told(seen)).toEqual(["ADDED a", "ADDED b", "MODIFIED a", "DELETED b"]);
    const versions = seen.map(({ object }) => Number(object.metadata.resourceVersion));
    expect(versions).toEqual([...versions].sort((x, y) => x - y));
    expect(versions.at(-1)).toBe(harness.backend.revision);
  });

  it("goes on from a version, told again to nobody", async () => {
    await create("a");
    const { resourceVersion } = bodyOf(await get("")).metadata;
    await create("b");
    const seen = await watching(`resourceVersion=${resourceVersion}`);
    await create("c");
    await expect.poll(() => told(seen)).toEqual(["ADDED b", "ADDED c"]);
  });

  it("gives a thousand watchers the same text, encoded once", async () => {
    const responses = await Promise.all(Array.from({ length: 1000 }, () => get("watch=true&resourceVersion=1")));
    const firsts = responses.map(async ({ body }) => {
      if (!("events" in body)) throw new Error("expected events");
      for await (const batch of body.events) return batch[0];
      return undefined;
    });
    await create("a");
    const events = new Set(await Promise.all<ApiWatchEvent | undefined>(firsts));
    expect(events.size).toBe(1);
  });

  it("tells of objects that enter and leave a selection as added and deleted", async () => {
    const seen = await watching("labelSelector=tier%3Dweb");
    await create("a", { tier: "db" });
    const label = (tier: string): Promise<unknown> =>
      harness.client.patch(resources.configmaps, { name: "a", namespace: "default" }, "merge", {
        metadata: { labels: { tier } },
      });
    await label("web");
    await harness.client.patch(resources.configmaps, { name: "a", namespace: "default" }, "merge", {
      data: { x: "1" },
    });
    await label("db");
    const left = String(harness.backend.revision);
    await harness.client.delete(resources.configmaps, { name: "a", namespace: "default" });
    await create("z", { tier: "web" });
    await expect.poll(() => told(seen)).toEqual(["ADDED a", "MODIFIED a", "DELETED a", "ADDED z"]);
    expect(seen[2]?.object.metadata.resourceVersion).toBe(left);
  });

  it("ends the initial events with a bookmark that says so (watch-list)", async () => {
    await create("a");
    const seen = await watching("sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
    await expect.poll(() => told(seen)).toEqual(["ADDED a", "BOOKMARK"]);
    expect(seen[1]?.object.metadata.annotations).toEqual({ "k8s.io/initial-events-end": "true" });
    expect(seen[1]?.object.metadata.resourceVersion).toBe(String(harness.backend.revision));
    await create("b");
    await expect.poll(() => told(seen)).toEqual(["ADDED a", "BOOKMARK", "ADDED b"]);
  });

  it("sends a bookmark about once a minute when other kinds change, and one before it times out", async () => {
    const seen = await watching("allowWatchBookmarks=true&timeoutSeconds=90");
    const quiet = await watching("timeoutSeconds=90");
    await harness.client.create(resources.secrets, { metadata: { name: "s", namespace: "default" } });
    const first = String(harness.backend.revision);
    await harness.clock.advance(60_000);
    await expect.poll(() => told(seen)).toEqual(["BOOKMARK"]);
    expect(seen[0]?.object.metadata.resourceVersion).toBe(first);
    await harness.clock.advance(30_000);
    await expect.poll(() => told(seen).at(-1)).toBe("END");
    await expect.poll(() => told(quiet)).toEqual(["END"]);
  });

  it("says that a version is too old as an ERROR event with 410", async () => {
    await create("a");
    await create("b");
    await harness.backend.compact(harness.backend.revision);
    const seen = await watching("resourceVersion=1");
    await expect.poll(() => told(seen)).toEqual(["ERROR", "END"]);
    expect(seen[0]?.object.code).toBe(410);
  });

  it("shows one object alone", async () => {
    const seen = await watching("fieldSelector=metadata.name%3Db");
    await create("a");
    await create("b");
    await expect.poll(() => told(seen)).toEqual(["ADDED b"]);
  });

  it("forgets a watcher that goes away", async () => {
    await watching("");
    await create("a");
    abort.abort();
    const metrics = async (): Promise<unknown> => {
      const { body } = await harness.api.handle({
        method: "GET",
        path: ["metrics"],
        query: new URLSearchParams(),
        headers: {},
        user: root,
        signal: new AbortController().signal,
      });
      return "text" in body && body.text;
    };
    await expect.poll(metrics).toContain("apiserver_longrunning_requests 0");
  });

  it("hands components the same frozen object that a get returns", async () => {
    const options: WatchOptions = { namespace: "default", signal: abort.signal };
    const watch = harness.client.watch<ConfigMap>(resources.configmaps, options)[Symbol.asyncIterator]();
    const next = watch.next();
    await create("a");
    const event = (await next).value as { object: ConfigMap };
    expect(event.object).toBe(await harness.client.get(resources.configmaps, "a", "default"));
    expect(Object.isFrozen(event.object.metadata)).toBe(true);
    abort.abort();
    expect((await watch.next()).done).toBe(true);
  });
});

describe("events", () => {
  it("are removed an hour after they were last seen", async () => {
    const { client, clock } = harness;
    const event = (name: string): Promise<unknown> =>
      client.create(resources.events, {
        metadata: { name, namespace: "default" },
        involvedObject: { kind: "Pod", namespace: "default", name: "p" },
        reason: "Tested",
        lastTimestamp: new Date(clock.now()).toISOString().replace(/\.\d+/, ""),
      });
    await event("old");
    await clock.advance(55 * 60_000);
    await event("young");
    await clock.advance(10 * 60_000);
    const left = await client.list(resources.events, { namespace: "default" });
    expect(left.items.map(({ metadata }) => metadata.name)).toEqual(["young"]);
  });
});
