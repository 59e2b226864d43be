// An informer ends up with exactly the server's objects, whatever happens to its connection, and tells every change after it can be read.
import { SeededRandom, silentLogger } from "@wherry/core";
import { VirtualClock } from "@wherry/core/testing";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { createClient } from "../client/client.ts";
import type { ConfigMap, Stored } from "../types/index.ts";
import { configmaps, FakeServer } from "./fake-server.suite.ts";
import { createInformer, type StandaloneInformer } from "./informer.ts";
import { createInformers } from "./informers.ts";
import * as limits from "./limits.ts";
import { keyOf } from "./key.ts";

interface World {
  readonly server: FakeServer;
  readonly clock: VirtualClock;
  readonly informer: StandaloneInformer<ConfigMap>;
  readonly abort: AbortController;
  /** What the changes, replayed, amount to. */
  readonly replayed: Map<string, Stored<ConfigMap>>;
  readonly told: string[];
  readonly start: () => Promise<void>;
}

const open: AbortController[] = [];
afterEach(() => {
  for (const abort of open.splice(0)) abort.abort();
});

function world(seed = 1): World {
  const server = new FakeServer();
  const clock = new VirtualClock();
  const env = { clock, random: new SeededRandom(seed), log: silentLogger };
  const informer = createInformer(createClient(server), configmaps, env);
  const abort = new AbortController();
  open.push(abort);
  const replayed = new Map<string, Stored<ConfigMap>>();
  const told: string[] = [];
  informer.onChange((next, previous) => {
    if (next !== undefined) replayed.set(keyOf(next), next);
    else if (previous !== undefined) replayed.delete(keyOf(previous));
    const kind = previous === undefined ? "added" : next === undefined ? "deleted" : "changed";
    told.push(`${kind} ${(next ?? previous)?.metadata.name}`);
  });
  const start = async (): Promise<void> => {
    await informer.start(abort.signal);
    await clock.advance(0);
  };
  return { server, clock, informer, abort, replayed, told, start };
}

const names = (informer: StandaloneInformer<ConfigMap>): string[] => informer.list().map((o) => o.metadata.name);

describe("an informer", () => {
  test("shows what is there, then every change, each told after the cache shows it", async () => {
    const { server, clock, informer, told, start } = world();
    server.set("a", "1");
    await start();
    expect(informer.synced).toBe(true);
    expect(names(informer)).toEqual(["a"]);
    server.set("b", "1");
    server.set("a", "2");
    server.remove("b");
    await clock.advance(0);
    expect(told).toEqual(["added a", "added b", "changed a", "deleted b"]);
    expect(informer.get("default/a")?.data).toEqual({ data: "2" });
    expect(informer.get("default/b")).toBeUndefined();
  });

  test("gives frozen objects with apiVersion and kind, even where the server leaves them out", async () => {
    const { server, informer, start } = world();
    server.set("a", "1");
    await start();
    const object = informer.get("default/a");
    expect(object).toMatchObject({ apiVersion: "v1", kind: "ConfigMap" });
    expect(Object.isFrozen(object)).toBe(true);
    expect(Object.isFrozen(object?.metadata)).toBe(true);
  });

  test("keeps its objects while the server is away, and catches up without listing when it is back", async () => {
    const { server, clock, informer, told, start } = world();
    server.set("a", "1");
    await start();
    const lists = (): number => server.requests.filter((r) => r.query?.get("watch") === null).length;
    expect(lists()).toBe(1);
    server.down = true;
    server.endWatches("broken");
    await clock.advance(60_000);
    expect(names(informer)).toEqual(["a"]);
    server.set("b", "1");
    server.down = false;
    await clock.advance(2 * limits.relistBackoffMsMax);
    expect(told).toEqual(["added a", "added b"]);
    expect(lists()).toBe(1);
  });

  test("waits longer and longer, with jitter, up to 30 s", async () => {
    const { server, clock, start } = world();
    await start();
    server.down = true;
    const before = server.requests.length;
    server.endWatches("broken");
    const at: number[] = [];
    for (let seconds = 0; seconds < 300; seconds++) {
      const known = server.requests.length;
      await clock.advance(1000);
      if (server.requests.length > known) at.push(seconds);
    }
    expect(server.requests.length - before).toBeGreaterThan(8);
    const gaps = at.slice(1).map((second, index) => second - (at[index] as number));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(31);
    expect(gaps.at(-1)).toBeGreaterThanOrEqual(29);
  });

  test.each([true, false])("lists again when its version was compacted (told on the open watch: %s)", async (tell) => {
    const { server, clock, informer, told, start } = world();
    server.set("kept", "1");
    server.set("changed", "1");
    server.set("deleted", "1");
    server.set("recreated", "1");
    await start();
    const first = informer.get("default/recreated")?.metadata.uid;
    told.length = 0;
    server.down = true;
    server.endWatches("broken");
    await clock.advance(0);
    server.set("changed", "2");
    server.remove("deleted");
    server.remove("recreated");
    server.set("recreated", "2");
    server.compact(tell);
    server.down = false;
    await clock.advance(limits.relistBackoffMs * 2);
    expect([...told].sort()).toEqual(["added recreated", "changed changed", "deleted deleted", "deleted recreated"]);
    expect(told.indexOf("deleted recreated")).toBeLessThan(told.indexOf("added recreated"));
    expect(informer.get("default/recreated")?.metadata.uid).not.toBe(first);
  });

  test("an ERROR event with 410 makes it list at once, without a pause", async () => {
    const { server, clock, informer, start } = world();
    await start();
    server.compact(true);
    server.objects.set("default/x", {
      metadata: { name: "x", namespace: "default", uid: "u", resourceVersion: String(server.revision) },
    });
    await clock.advance(0);
    expect(names(informer)).toEqual(["x"]);
  });

  test("goes on from a bookmark", async () => {
    const { server, clock, start } = world();
    await start();
    server.set("elsewhere", "1");
    server.remove("elsewhere");
    server.bookmark();
    await clock.advance(0);
    server.compact();
    server.endWatches("closed");
    await clock.advance(limits.relistBackoffMs * 2);
    const last = server.requests.at(-1)?.query;
    expect(last?.get("watch")).toBe("true");
    expect(last?.get("allowWatchBookmarks")).toBe("true");
    expect(last?.get("resourceVersion")).toBe(String(server.revision));
    expect(server.requests.filter((request) => request.query?.get("watch") === null)).toHaveLength(1);
  });

  test("gives up a watch that the server should have ended long ago", async () => {
    const { server, clock, start } = world();
    await start();
    const before = server.requests.length;
    await clock.advance(2 * limits.watchTimeoutSeconds * 1000 + limits.watchOverdueMs);
    expect(server.requests.length).toBeGreaterThan(before);
    expect(server.openWatches).toBe(1);
  });

  test("keeps its indexes in step, and lists by namespace", async () => {
    const { server, clock, informer, start } = world();
    informer.addIndex("data", (object) => Object.values(object.data ?? {}));
    server.set("a", "red", "one");
    server.set("b", "red", "two");
    await start();
    expect(informer.byIndex("data", "red")).toHaveLength(2);
    server.set("a", "blue", "one");
    server.remove("b", "two");
    await clock.advance(0);
    expect(informer.byIndex("data", "red")).toEqual([]);
    expect(informer.byIndex("data", "blue").map((o) => o.metadata.name)).toEqual(["a"]);
    expect(informer.list("one")).toHaveLength(1);
    expect(informer.list("two")).toEqual([]);
    expect(() => informer.byIndex("colour", "red")).toThrow(/has an index colour/);
  });

  test("tells a late handler of what is there, and survives one that throws", async () => {
    const { server, clock, informer, told, start } = world();
    server.set("a", "1");
    await start();
    const late: string[] = [];
    informer.onChange((next) => {
      late.push(next?.metadata.name ?? "gone");
      throw new Error("a bug of the handler");
    });
    expect(late).toEqual(["a"]);
    server.set("b", "1");
    await clock.advance(0);
    expect(late).toEqual(["a", "b"]);
    expect(told.at(-1)).toBe("added b");
  });

  test("stops with its signal and leaves neither watch nor timer", async () => {
    const { server, clock, abort, start } = world();
    await start();
    expect(server.openWatches).toBe(1);
    abort.abort();
    await clock.advance(0);
    expect(server.openWatches).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  test("whatever happens to the connection, ends up with exactly the server's objects", async () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ set: fc.constantFrom("a", "b", "c", "d"), data: fc.nat(9) }) },
      { weight: 3, arbitrary: fc.record({ remove: fc.constantFrom("a", "b", "c", "d") }) },
      { weight: 1, arbitrary: fc.constantFrom("closed", "broken", "compact", "tell", "bookmark", "down", "up") },
      { weight: 2, arbitrary: fc.record({ advance: fc.constantFrom(0, 900, 5000, 40_000) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60, size: "max" }), fc.nat(), async (steps, seed) => {
        const { server, clock, informer, abort, replayed, start } = world(seed);
        // Of each object, only newer states are told.
        const backwards: string[] = [];
        const newest = new Map<string, number>();
        informer.onChange((next, previous) => {
          const { uid, resourceVersion } = (next ?? previous)?.metadata ?? { uid: "", resourceVersion: "" };
          const version = Number(resourceVersion);
          if (version < (newest.get(uid) ?? 0)) backwards.push(`${uid} ${version}`);
          newest.set(uid, version);
        });
        server.set("a", "0");
        await start();
        for (const one of steps) {
          if (one === "closed" || one === "broken") server.endWatches(one);
          else if (one === "compact") server.compact();
          else if (one === "tell") server.compact(true);
          else if (one === "bookmark") server.bookmark();
          else if (one === "down" || one === "up") server.down = one === "down";
          else if ("set" in one) server.set(one.set, String(one.data));
          else if ("remove" in one) server.remove(one.remove);
          else await clock.advance(one.advance, 1);
        }
        server.down = false;
        await clock.advance(3 * limits.relistBackoffMsMax);
        const there = [...server.objects].map(([key, o]) => [key, o.metadata.uid, o.metadata.resourceVersion]).sort();
        const shown = informer.list().map((o) => [keyOf(o), o.metadata.uid, o.metadata.resourceVersion]);
        const told = [...replayed].map(([key, o]) => [key, o.metadata.uid, o.metadata.resourceVersion]);
        abort.abort();
        expect(backwards).toEqual([]);
        expect(shown.sort()).toEqual(there);
        expect(told.sort()).toEqual(there);
      }),
      { numRuns: 60 },
    );
  });
});

describe("shared informers", () => {
  test("are one per resource, and one that is asked for later starts at once", async () => {
    const server = new FakeServer();
    server.set("a", "1");
    const clock = new VirtualClock();
    const abort = new AbortController();
    open.push(abort);
    const informers = createInformers(createClient(server), {
      clock,
      random: new SeededRandom(1),
      log: silentLogger,
      namespace: "default",
    });
    await informers.start(abort.signal);
    const informer = informers.for(configmaps);
    expect(informers.for(configmaps)).toBe(informer);
    await clock.advance(0);
    expect(informer.list().map(keyOf)).toEqual(["default/a"]);
    expect(server.requests[0]?.path).toEqual(["api", "v1", "namespaces", "default", "configmaps"]);
  });

  test("resolve when the signal aborts before they are synced", async () => {
    const server = new FakeServer();
    server.down = true;
    const abort = new AbortController();
    const informers = createInformers(createClient(server), {
      clock: new VirtualClock(),
      random: new SeededRandom(1),
      log: silentLogger,
    });
    informers.for(configmaps);
    const starting = informers.start(abort.signal);
    abort.abort();
    await starting;
    expect(informers.for(configmaps).synced).toBe(false);
  });
});
