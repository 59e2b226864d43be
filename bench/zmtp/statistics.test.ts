// What the benchmark makes of its measurements: medians, ratios, and goals that are met or missed. Nothing is timed here.
import { expect, test } from "vitest";
import { tableOf } from "../table.ts";
import { Arrivals, checkSize, EchoDriver, Stream } from "./driver.ts";
import { fullPlan, goalsOf, quickPlan, rowName } from "./plan.ts";
import { median, rowOf, spread } from "./statistics.ts";

test("the median is the middle run, or lies between the two in the middle", () => {
  expect(median([10, 2, 9])).toBe(9);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([])).toBeNaN();
});

test("a row holds the medians, and how many times better ours is: more when more is better", () => {
  const measured = new Map([
    ["ours", [100, 300, 200]],
    ["zeromq.js", [50, 50, 10]],
    ["pyzmq", []],
  ]);
  expect(rowOf({ name: "echo-10-64", unit: "req/s", measured, goals: { "zeromq.js": 5, pyzmq: 2 } })).toEqual({
    name: "echo-10-64",
    unit: "req/s",
    ours: 200,
    peers: { "zeromq.js": 50 },
    ratios: { "zeromq.js": 4 },
    goals: { "zeromq.js": 5 },
  });
  expect(spread(measured)).toBe("ours 200 (100–300), zeromq.js 50.0 (10.0–50.0)");
});

test("of bytes, less is better", () => {
  const measured = new Map([
    ["ours", [10_000]],
    ["zeromq.js", [28_000]],
  ]);
  const row = rowOf({ name: "idle-peer-bytes", unit: "B", measured, better: "less", atMost: 8_000 });
  expect(row).toMatchObject({ ours: 10_000, ratios: { "zeromq.js": 2.8 }, atMost: 8_000 });
  expect(tableOf([row])).toEqual(["idle-peer-bytes  10000 B (goal ≤ 8000 B, missed by 25 %)  zeromq.js 28000 (2.80×)"]);
});

test("the table says beside each ratio what the goal is, and by how much it is missed", () => {
  const measured = new Map([
    ["ours", [600]],
    ["zeromq.js", [200]],
    ["node:net", [800]],
  ]);
  const goals = { "zeromq.js": 4, "node:net": 0.7 };
  expect(tableOf([rowOf({ name: "echo-10-64", unit: "req/s", measured, goals })])).toEqual([
    "echo-10-64  600 req/s  zeromq.js 200 (3.00×, goal 4×, missed by 25 %)  node:net 800 (0.750×, goal 0.7×)",
  ]);
});

test("rows have the names and the goals of the design, and the quick ones are rows of the full run", () => {
  const names = (plan: typeof fullPlan): string[] =>
    plan.groups.flatMap((group) => group.outstanding.map((outstanding) => rowName(group, outstanding)));
  expect(names(fullPlan)).toEqual(expect.arrayContaining(["echo-1-64", "echo-1000-64", "curve-echo-100-64"]));
  expect(names(fullPlan)).toEqual(expect.arrayContaining(["pubsub-64", "pushpull-1048576", ...names(quickPlan)]));
  const echo = { kind: "echo", bytes: 64, outstanding: [] } as const;
  expect([1, 10, 100, 1_000].map((outstanding) => goalsOf(echo, outstanding)["zeromq.js"])).toEqual([2, 4, 10, 10]);
  expect(goalsOf({ ...echo, kind: "pubsub" }, 1)).toEqual({ "zeromq.js": 5 });
});

test("an echo client keeps the number outstanding, and asks no more than it is to", async () => {
  const driver = new EchoDriver();
  let outstanding = 0;
  let most = 0;
  let asked = 0;
  // Replies come in groups, as from a network.
  const answer = (): void => {
    const replies = Math.min(3, outstanding);
    outstanding -= replies;
    if (outstanding > 0) setImmediate(answer);
    driver.onReplies(replies);
  };
  driver.client = {
    send(count) {
      asked += count;
      outstanding += count;
      most = Math.max(most, outstanding);
      if (outstanding === count) setImmediate(answer);
    },
  };
  expect((await driver.count(7, 100)).messages).toBe(100);
  expect({ asked, most, outstanding }).toEqual({ asked: 100, most: 7, outstanding: 0 });
  expect((await driver.count(10, 4)).messages).toBe(4);
  expect(asked).toBe(104);
  expect((await driver.echo(5, 0, 0)).messages).toBeGreaterThan(4);
  expect(outstanding).toBe(0);
});

test("a stream tells how many it sent, and the other side waits for no more than come", async () => {
  const arrivals = new Arrivals();
  const turns: (() => void)[] = [];
  const stream = new Stream("tcp://127.0.0.1:1", async () => {
    arrivals.onMessages(2);
    await new Promise<void>((resolve) => turns.push(resolve));
    return 2;
  });
  stream.start();
  await expect.poll(() => turns.length).toBe(1);
  const stopped = stream.stop();
  turns[0]?.();
  expect(await stopped).toBe(2);
  expect((await arrivals.await(2)).messages).toBe(2);
});

test("a body of another size is no measurement", () => {
  expect(() => checkSize(Buffer.alloc(64), 64)).not.toThrow();
  expect(() => checkSize(Buffer.alloc(63), 64)).toThrow("expected a body of 64 bytes, got 63");
  expect(() => checkSize(undefined, 64)).toThrow("got none");
});
