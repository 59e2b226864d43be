// The loop of every controller: failed keys come again with back-off, workers are bounded, and an abort finishes what was begun.
import { type Logger, SeededRandom, silentLogger, SystemClock } from "@wherry/core";
import { VirtualClock } from "@wherry/core/testing";
import { describe, expect, test } from "vitest";
import { createClient } from "../client/client.ts";
import { conflict } from "../status.ts";
import { controller, watching } from "./controller.ts";
import { configmaps, FakeServer } from "./fake-server.suite.ts";
import { createInformers } from "./informers.ts";
import { controllerKeyOf, keyOf, splitKey } from "./key.ts";
import { runController } from "./run-controller.ts";
import type { Key, LoopEnvironment, Outcome, ReconcileContext } from "./types.ts";
import { createWorkQueue } from "./work-queue.ts";

type Reconcile = (key: Key, context: ReconcileContext) => Promise<Outcome>;

function loop(reconcile: Reconcile, workers = 1) {
  const clock = new VirtualClock();
  const records: { level: string; fields: Readonly<Record<string, unknown>> }[] = [];
  const record = (level: string) => (fields: Readonly<Record<string, unknown>>) => void records.push({ level, fields });
  const log: Logger = { ...silentLogger, debug: record("debug"), error: record("error"), child: () => log };
  const queue = createWorkQueue({ clock });
  const abort = new AbortController();
  const running = runController(
    { reconciler: { name: "test", reconcile }, queue, workers, env: { clock, log } },
    abort.signal,
  );
  return { clock, queue, abort, running, records };
}

describe("a controller's loop", () => {
  test("tries a failed key again after its back-off, with one record for each failure", async () => {
    const attempts: number[] = [];
    const { clock, queue, abort, running, records } = loop(async (_, { attempt }) => {
      attempts.push(attempt);
      if (attempt < 3) throw new Error("not yet");
      return undefined;
    });
    queue.add("default/a");
    await clock.advance(5 + 10 + 20 - 1);
    expect(attempts).toEqual([0, 1, 2]);
    await clock.advance(1);
    expect(attempts).toEqual([0, 1, 2, 3]);
    expect(records.map((r) => r.level)).toEqual(["error", "error", "error"]);
    expect(queue.failures("default/a")).toBe(0);
    abort.abort();
    await running;
  });

  test("takes a conflict for what it is: a stale cache, not an error", async () => {
    const { clock, queue, abort, running, records } = loop(async (_, { attempt }) => {
      if (attempt === 0) throw conflict(configmaps, "a");
      return undefined;
    });
    queue.add("default/a");
    await clock.advance(10);
    expect(records.map((r) => r.level)).toEqual(["debug"]);
    abort.abort();
    await running;
  });

  test("looks at a key again when the reconciler asks for it", async () => {
    const atMs: number[] = [];
    const { clock, queue, abort, running } = loop(async () => {
      atMs.push(clock.monotonic());
      return atMs.length < 3 ? { requeueAfterMs: 1000 } : undefined;
    });
    queue.add("a");
    await clock.advance(10_000);
    expect(atMs).toEqual([0, 1000, 2000]);
    abort.abort();
    await running;
  });

  test("runs as many keys at a time as it has workers, and on abort finishes what it began", async () => {
    const gates = new Map<string, () => void>();
    const finished: string[] = [];
    const { clock, queue, abort, running } = loop(async (key) => {
      await new Promise<void>((resolve) => gates.set(key, resolve));
      finished.push(key);
      return undefined;
    }, 2);
    for (const key of ["a", "b", "c"]) queue.add(key);
    await clock.advance(0);
    expect([...gates.keys()]).toEqual(["a", "b"]);
    abort.abort();
    let stopped = false;
    void running.then(() => (stopped = true));
    await clock.advance(0);
    expect(stopped).toBe(false);
    for (const open of gates.values()) open();
    await running;
    expect(finished).toEqual(["a", "b"]);
  });
});

test("a loop that always has work lets timers and sockets have their turn", async () => {
  const clock = new SystemClock();
  const queue = createWorkQueue({ clock });
  const abort = new AbortController();
  let othersHadATurn = false;
  setImmediate(() => {
    othersHadATurn = true;
    abort.abort();
  });
  let left = 1_000_000;
  const reconcile: Reconcile = async (key) => {
    if (--left > 0) queue.add(key);
    else abort.abort();
    return undefined;
  };
  queue.add("a");
  await runController(
    { reconciler: { name: "busy", reconcile }, queue, env: { clock, log: silentLogger } },
    abort.signal,
  );
  expect(othersHadATurn).toBe(true);
  expect(left).toBeGreaterThan(0);
});

test("a controller hears of what its objects belong to, and belonged to", async () => {
  const server = new FakeServer();
  const clock = new VirtualClock();
  const client = createClient(server);
  const random = new SeededRandom(1);
  const informers = createInformers(client, { clock, random, log: silentLogger });
  const env: LoopEnvironment = { client, informers, clock, random, log: silentLogger };
  const seen: string[] = [];
  const colours = controller({
    name: "colours",
    env,
    watches: [
      watching(configmaps, (object) => object.data?.["data"], {
        when: (next) => next?.metadata.name !== "ignored",
      }),
    ],
    reconcile: async (key) => {
      seen.push(key);
      return undefined;
    },
  });
  const abort = new AbortController();
  server.set("a", "red");
  await informers.start(abort.signal);
  const running = colours.run(abort.signal);
  await clock.advance(0);
  server.set("ignored", "green");
  server.set("a", "blue");
  await clock.advance(0);
  expect(seen).toEqual(["red", "blue", "red"]);
  abort.abort();
  await running;
});

test("keys are namespace/name, or the name alone", () => {
  expect(keyOf({ metadata: { name: "n" } })).toBe("n");
  expect(keyOf({ metadata: { name: "n", namespace: "s" } })).toBe("s/n");
  expect(splitKey("s/n")).toEqual({ namespace: "s", name: "n" });
  expect(splitKey("n")).toEqual({ namespace: undefined, name: "n" });
  const owner = { apiVersion: "apps/v1", kind: "ReplicaSet", name: "rs", uid: "u" };
  const pod = { metadata: { name: "p", namespace: "s", ownerReferences: [owner, { ...owner, controller: true }] } };
  expect(controllerKeyOf(pod, "ReplicaSet")).toBe("s/rs");
  expect(controllerKeyOf(pod, "Job")).toBeUndefined();
  expect(controllerKeyOf({ metadata: { ownerReferences: [owner] } }, "ReplicaSet")).toBeUndefined();
});
