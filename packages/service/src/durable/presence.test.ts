// A broker that is away is told once, not at every try.
import type { Logger } from "@wherry/core";
import { SeededRandom, VirtualClock } from "@wherry/core/testing";
import { expect, test } from "vitest";
import { Presence } from "./presence.ts";

function harness() {
  const clock = new VirtualClock();
  const lines: string[] = [];
  const write =
    (level: string) =>
    (_fields: unknown, text: unknown): void =>
      void lines.push(`${level} ${String(text)}`);
  const log = { warn: write("warn"), info: write("info") } as Partial<Logger> as Logger;
  return { clock, lines, presence: new Presence("NATS", { clock, random: new SeededRandom(1), log }) };
}

test("a broker that is away is one line in the log, and one when it is back, however many try it how often", async () => {
  const { clock, lines, presence } = harness();
  let away = true;
  let tries = 0;
  const attempt = async (): Promise<string> => {
    tries++;
    if (away) throw new Error("connect ECONNREFUSED\n    at somewhere");
    return "there";
  };
  const signal = new AbortController().signal;
  const consumers = Promise.all([1, 2, 3].map(() => presence.untilThere(attempt, signal)));
  for (let second = 0; second < 60; second++) await clock.advance(1000);
  expect(lines).toEqual(["warn durable calls are not run while the broker is away: connect ECONNREFUSED"]);
  // The pause grows to five seconds at most.
  expect(tries / 3).toBeLessThan(30);
  expect(tries / 3).toBeGreaterThan(60 / 5);
  away = false;
  await clock.advance(5000);
  expect(await consumers).toEqual(["there", "there", "there"]);
  expect(lines.slice(1)).toEqual(["info the broker is back; durable calls are run"]);
});

test("who stops waiting tries no more", async () => {
  const { presence } = harness();
  const stop = new AbortController();
  const waiting = presence.untilThere<string>(() => Promise.reject(new Error("away")), stop.signal);
  stop.abort();
  expect(await waiting).toBe(undefined);
});
