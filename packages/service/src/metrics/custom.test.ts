// Metrics of a service's own: declared in a line, typed labels, bounded, and on its page.
import fc from "fast-check";
import { afterEach, describe, expect, expectTypeOf, test } from "vitest";
import { metricSeriesMax } from "../limits.ts";
import { startChild, stopChildren } from "../testing/child.ts";
import { type Counter, counter, customMetrics, gauge, histogram } from "./custom.ts";

afterEach(stopChildren);

const linesOf = (name: string): string[] =>
  customMetrics()
    .split("\n")
    .filter((line) => line.startsWith(name));

describe("a metric of one's own", () => {
  test("is one line to declare, and part of the page at once", () => {
    const sold = counter("test_sold_total", "Items\nsold.");
    expect(customMetrics()).toContain(
      "# HELP test_sold_total Items\\nsold.\n# TYPE test_sold_total counter\ntest_sold_total 0\n",
    );
    sold.inc();
    sold.inc(2);
    expect(linesOf("test_sold_total")).toEqual(["test_sold_total 3"]);
  });

  test("has typed labels, whose values may be any text", () => {
    const by = gauge("test_open", "Open.", { labels: ["currency", "vip"] });
    by.set({ currency: 'E"U\\R\n', vip: true }, 5);
    by.dec({ currency: 'E"U\\R\n', vip: true });
    by.inc({ currency: "USD", vip: false }, 2);
    expect(linesOf("test_open")).toEqual([
      'test_open{currency="E\\"U\\\\R\\n",vip="true"} 4',
      'test_open{currency="USD",vip="false"} 2',
    ]);
    const misuse = (): void => {
      // @ts-expect-error no such label
      by.inc({ currenzy: "x", vip: true });
      // @ts-expect-error it has labels
      by.inc(1);
    };
    expect(misuse).toThrow(/metric test_open: expected the label currency, got/);
    expectTypeOf(counter("test_typed_total", "x")).toEqualTypeOf<Counter>();
  });

  test("of sizes sorts them into buckets", () => {
    const paid = histogram("test_paid", "Paid.", { buckets: [1, 10], labels: ["by"] });
    for (const value of [0.5, 1, 5, 100]) paid.observe({ by: "card" }, value);
    expect(linesOf("test_paid")).toEqual([
      'test_paid_bucket{le="1",by="card"} 2',
      'test_paid_bucket{le="10",by="card"} 3',
      'test_paid_bucket{le="+Inf",by="card"} 4',
      'test_paid_sum{by="card"} 106.5',
      'test_paid_count{by="card"} 4',
    ]);
    const timed = histogram("test_seconds", "Timed.");
    timed.startTimer()();
    expect(linesOf("test_seconds_count")).toEqual(["test_seconds_count 1"]);
  });

  test("whose labels never end counts what is beyond the limit together, and loses nothing", () => {
    const users = counter("test_users_total", "By user: a mistake.", { labels: ["user"] });
    for (let user = 0; user < 3 * metricSeriesMax; user++) users.inc({ user });
    const lines = linesOf("test_users_total{");
    expect(lines).toHaveLength(metricSeriesMax + 1);
    expect(lines.at(-1)).toBe(`test_users_total{user="(other)"} ${2 * metricSeriesMax}`);
  });

  test("keeps any two sets of labels apart", () => {
    const text = fc.stringMatching(/^[:0-9a-z]{0,5}$/);
    const pairs = gauge("test_pairs", "Pairs.", { labels: ["a", "b"] });
    const seen = new Set<string>();
    fc.assert(
      fc.property(text, text, (a, b) => {
        pairs.set({ a, b }, 1);
        seen.add(JSON.stringify([a, b]));
        expect(linesOf("test_pairs{")).toHaveLength(seen.size);
      }),
    );
  });

  test("that is declared again, as when a module loads twice, goes on; in another way it is refused", () => {
    counter("test_again_total", "Again.").inc();
    counter("test_again_total", "Again.").inc();
    expect(linesOf("test_again_total")).toEqual(["test_again_total 2"]);
    expect(() => counter("test_again_total", "Other.")).toThrow(/is declared twice, in two ways/);
  });

  test.each([
    ["a counter without _total", () => counter("test_sold", "x"), /a counter's name ends with _total: test_sold_total/],
    ["a name with a dash", () => gauge("test-open", "x"), /expected a name of letters, digits and `_`/],
    ["the framework's name", () => gauge("wherry_mine", "x"), /names that begin with wherry_/],
    ["a wrong label", () => gauge("test_wrong", "x", { labels: ["a b"] }), /expected labels .* got "a b"/],
    ["a label twice", () => gauge("test_wrong", "x", { labels: ["a", "a"] }), /has a label twice/],
    ["the label of buckets", () => histogram("test_wrong", "x", { labels: ["le"] }), /the label `le` is the buckets'/],
    [
      "buckets that don't ascend",
      () => histogram("test_wrong", "x", { buckets: [2, 1] }),
      /expected buckets that ascend/,
    ],
  ])("%s is refused when it is declared", (_name, declare, message) => {
    expect(declare).toThrow(
      expect.objectContaining({ code: "SERVICE_DEFINITION_INVALID", message: expect.stringMatching(message) }),
    );
  });

  test.each([
    [
      "a counter that goes back",
      () => counter("test_back_total", "x").inc(-1),
      /a counter never goes back; use a gauge/,
    ],
    ["what is no number", () => gauge("test_nan", "x").set(Number.NaN), /expected a number, got null/],
    [
      "one label too many",
      () => counter("test_more_total", "x", { labels: ["a"] }).inc({ a: 1, b: 2 } as never),
      /no labels but a/,
    ],
  ])("%s is a bug, and says so", (_name, use, message) => {
    expect(use).toThrow(
      expect.objectContaining({ code: "SERVICE_METRIC_MISUSED", message: expect.stringMatching(message) }),
    );
  });

  test("is on a service's page", async () => {
    const program = `import { counter, run, service } from "@wherry/service";
      counter("shop_sold_total", "Items sold.").inc(3);
      await run(service("shop", { raw: (frames) => frames }));`;
    const { admin } = await startChild({ program }).listening;
    expect(await (await fetch(`${admin}/metrics`)).text()).toContain("\nshop_sold_total 3\n");
  });
});
