// Times are written as Kubernetes writes them, and read back.
import { expect, test } from "vitest";
import { age, humanDuration, microTimeText, timeText } from "./time.ts";

const s = 1000;
const m = 60 * s;
const h = 60 * m;
const d = 24 * h;
test.each([
  [0, "0s"],
  [-500, "0s"],
  [-5 * s, "<invalid>"],
  [119 * s, "119s"],
  [2 * m, "2m"],
  [3 * m + 20 * s, "3m20s"],
  [10 * m + 5 * s, "10m"],
  [179 * m, "179m"],
  [3 * h, "3h"],
  [5 * h + 3 * m, "5h3m"],
  [8 * h + 59 * m, "8h"],
  [47 * h, "47h"],
  [2 * d + 5 * h, "2d5h"],
  [8 * d, "8d"],
  [729 * d, "729d"],
  [800 * d, "2y70d"],
  [9 * 365 * d, "9y"],
])("%d ms reads %s", (ms, expected) => {
  expect(humanDuration(ms)).toBe(expected);
});

test("times are written as Kubernetes writes them", () => {
  const ms = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  expect(timeText(ms)).toBe("2026-01-02T03:04:05Z");
  expect(microTimeText(ms)).toBe("2026-01-02T03:04:05.678000Z");
  expect(age("2026-01-02T03:04:00Z", ms)).toBe("5s");
  expect(age(undefined, ms)).toBe("<unknown>");
});
