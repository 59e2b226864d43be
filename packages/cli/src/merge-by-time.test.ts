// Logs of many pods as one: whatever comes when, no line is lost, and none passes another one of its own pod.
import fc from "fast-check";
import { expect, test } from "vitest";
import { mergeByTime, type Timed } from "./merge-by-time.ts";

interface Line extends Timed {
  readonly of: number;
  readonly number: number;
}

const at = (second: number | undefined): string | undefined =>
  second === undefined ? undefined : `2026-11-26T04:00:${String(second).padStart(2, "0")}.000000000Z`;

async function* linesOf(seconds: readonly (number | undefined)[], of = 0): AsyncGenerator<Line> {
  for (const [number, second] of seconds.entries()) yield { time: at(second), of, number };
}

async function merged(...pods: (readonly (number | undefined)[])[]): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const line of mergeByTime(pods.map(linesOf))) lines.push(line);
  return lines;
}

const names = (lines: readonly Line[]): string[] => lines.map(({ of, number }) => `${of}.${number}`);

test("lines of several pods come in the order of their times; at the same time, in that of the pods", async () => {
  expect(names(await merged([1, 4, 4], [2, 4], [], [3]))).toEqual(["0.0", "1.0", "3.0", "0.1", "0.2", "1.1"]);
});

test("a line without a time stays behind the one before it, and a first one without comes first", async () => {
  expect(names(await merged([1, undefined, undefined, 5], [2]))).toEqual(["0.0", "0.1", "0.2", "1.0", "0.3"]);
  expect(names(await merged([5], [undefined, 7]))).toEqual(["1.0", "0.0", "1.1"]);
});

test("every line is there once, each pod's in its own order, and by time where each pod's are", async () => {
  const seconds = fc.array(fc.option(fc.integer({ min: 0, max: 59 }), { nil: undefined }));
  await fc.assert(
    fc.asyncProperty(fc.array(seconds, { maxLength: 6 }), async (pods) => {
      const lines = await merged(...pods);
      for (const [of, given] of pods.entries())
        expect(lines.filter((line) => line.of === of).map(({ number }) => number)).toEqual(given.map((_, i) => i));
      const sorted = await merged(
        ...pods.map((given) => given.filter((one) => one !== undefined).sort((a, b) => a - b)),
      );
      const times = sorted.map(({ time = "" }) => time);
      expect(times).toEqual([...times].sort());
    }),
  );
});

test("who has seen enough leaves nothing open", async () => {
  let open = 0;
  const endless = async function* (): AsyncGenerator<Timed> {
    open++;
    try {
      for (let second = 0; ; second = (second + 1) % 60) yield { time: at(second) };
    } finally {
      open--;
    }
  };
  for await (const { time } of mergeByTime([endless(), endless()])) if (time === at(7)) break;
  expect(open).toBe(0);
});
