// Endpoints that fail where others do not are left out for a while, never all of them.
import { describe, expect, test } from "vitest";
import { Health, Outliers } from "./outliers.ts";
import { noting, world } from "./world.suite.ts";

const healths = (count: number): Health[] => Array.from({ length: count }, () => new Health());

describe("an outlier", () => {
  test("is ejected after failures without an answer in between, and longer each time", () => {
    const outliers = new Outliers({ failures: 3, ejectMs: 100 });
    const all = healths(4);
    const bad = all[0]!;
    outliers.failed(bad, "broken", all, 0);
    bad.noteAnswer();
    for (const ejected of [false, false, true]) expect(outliers.failed(bad, "broken", all, 0)).toBe(ejected);
    expect([bad.isEjected(99), bad.isEjected(100), bad.onTrial]).toEqual([true, false, true]);
    // On trial one failure is enough.
    expect(outliers.failed(bad, "broken", all, 100)).toBe(true);
    expect([bad.isEjected(299), bad.isEjected(300)]).toEqual([true, false]);
    bad.noteAnswer();
    expect(bad.onTrial).toBe(false);
    expect(outliers.failed(bad, "broken", all, 300)).toBe(false);
  });

  test("fails more than others do: where all are slow, none is ejected", () => {
    const outliers = new Outliers({});
    const all = healths(4);
    for (let round = 0; round < 50; round++)
      for (const health of all) expect(outliers.failed(health, "slow", all, round)).toBe(false);
    const [slow, ...well] = healths(4);
    for (const health of well) for (let index = 0; index < 30; index++) health.noteAnswer();
    const failures = Array.from({ length: 25 }, () => outliers.failed(slow!, "slow", [slow!, ...well], 0));
    expect(failures.indexOf(true)).toBe(19);
  });

  test("is never alone: at most half of the endpoints are ejected, and never the only one", () => {
    const outliers = new Outliers({ failures: 1 });
    const ejected = (count: number): number => {
      const all = healths(count);
      return all.filter((health) => outliers.failed(health, "broken", all, 0)).length;
    };
    expect([1, 2, 3, 4, 9].map(ejected)).toEqual([0, 1, 1, 2, 4]);
  });
});

test("a pod that dies again and again gets calls one at a time at last, and all when it is well", async () => {
  const { client, pod, list, available, clock, network } = world({ outliers: { failures: 2, ejectMs: 1000 } });
  const ran: string[] = [];
  let { router } = await pod("a", noting(ran, "a"));
  await pod("b", noting(ran, "b"));
  list("a", "b");
  await available(2);
  for (let death = 0; death < 2; death++) {
    router.kill();
    ({ router } = await pod("a", noting(ran, "a")));
    network.retry();
    await available(2);
  }
  expect(client.counters).toMatchObject({ ejections: 1, ejected: 1 });
  ran.length = 0;
  await Promise.all(Array.from({ length: 10 }, (_, index) => client.call("who", index)));
  expect(ran.filter((who) => who.startsWith("a"))).toEqual([]);
  await clock.advance(1000);
  for (let index = 0; index < 20; index++) await client.call("who", index);
  expect(ran.filter((who) => who.startsWith("a")).length).toBeGreaterThan(3);
  expect(client.counters.ejected).toBe(0);
});

test("an ejected pod takes the calls when there is no other", async () => {
  const { client, pod, list, available } = world({ outliers: { failures: 1 } });
  const { router } = await pod("a", noting([], "a"));
  const b = await pod("b", noting([], "b"));
  list("a", "b");
  await available(2);
  router.kill();
  await pod("a", noting([], "a again"));
  await available(2);
  expect(client.counters.ejected).toBe(1);
  b.router.kill();
  await available(1);
  expect(await Promise.all([client.call("who", 1), client.call("who", 2)])).toEqual(["a again", "a again"]);
});
