// A service's own metrics, in one line each at the top of a module. They are plain numbers until somebody scrapes them: nothing is
// loaded, and an `inc` costs a look into a map. A label whose values never end cannot fill the memory: what is beyond the limit
// is counted together.
import { WherryError } from "@wherry/core";
import { metricSeriesMax } from "../limits.ts";
import { log } from "../process/process-log.ts";
import { durationBuckets } from "./request-metrics.ts";
import { MetricsText, overflowLabel } from "./text.ts";

/** The labels of a metric; every one that was declared, at each call. */
export type Labels<L extends string> = Readonly<Record<L, string | number | boolean>>;
/** Calls take labels first if the metric has any. */
type Labelled<L extends string, Rest extends unknown[]> = [L] extends [never]
  ? Rest
  : [labels: Labels<L>, ...rest: Rest];

export interface Counter<L extends string = never> {
  /** Adds 1, or more. @example sold.inc(); byCurrency.inc({ currency: "EUR" }, 3) */
  inc(...args: Labelled<L, [by?: number]>): void;
}

export interface Gauge<L extends string = never> {
  set(...args: Labelled<L, [value: number]>): void;
  inc(...args: Labelled<L, [by?: number]>): void;
  dec(...args: Labelled<L, [by?: number]>): void;
}

export interface Histogram<L extends string = never> {
  observe(...args: Labelled<L, [value: number]>): void;
  /** Seconds from here to the call of what it returns. */
  startTimer(...args: Labelled<L, []>): () => void;
}

export interface MetricOptions<L extends string> {
  readonly labels?: readonly L[];
}

export interface HistogramOptions<L extends string> extends MetricOptions<L> {
  /** Upper bounds, ascending; what is above the last is counted too. Default: 0.5 ms to 10 s, in seconds. */
  readonly buckets?: readonly number[];
}

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  value: number;
  /** Of a histogram: observations in each bucket alone, one bucket more than there are bounds. */
  readonly counts: Float64Array | undefined;
  count: number;
}

type Kind = "counter" | "gauge" | "histogram";

const registry = new Map<string, Metric>();

class Metric {
  readonly definition: string;
  readonly name: string;
  readonly kind: Kind;
  readonly #help: string;
  readonly #labels: readonly string[];
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, Series>();
  #warned = false;

  constructor(kind: Kind, name: string, help: string, labels: readonly string[], bounds: readonly number[]) {
    this.kind = kind;
    this.name = name;
    this.#help = help;
    this.#labels = labels;
    this.#bounds = bounds;
    this.definition = JSON.stringify([kind, help, labels, bounds]);
    // What has no labels is 0 from the start, so that a rate over it has a beginning.
    if (labels.length === 0) this.#add("", {});
  }

  /** Labels if there are any, then a number. */
  take(args: readonly unknown[]): { readonly series: Series; readonly value: number | undefined } {
    const labelled = this.#labels.length > 0;
    const value = labelled ? args[1] : args[0];
    if (value !== undefined && (typeof value !== "number" || Number.isNaN(value)))
      throw this.#misuse("a number", value);
    return { series: labelled ? this.#find(args[0]) : this.#find({}), value };
  }

  #find(labels: unknown): Series {
    if (typeof labels !== "object" || labels === null)
      throw this.#misuse(`the labels ${this.#labels.join(", ")}`, labels);
    const given = labels as Readonly<Record<string, unknown>>;
    let key = "";
    let known = 0;
    for (const name of this.#labels) {
      if (given[name] === undefined) throw this.#misuse(`the label ${name}`, labels);
      known++;
      const text = textOf(given[name]);
      key += `${text.length}:${text}`;
    }
    if (Object.keys(given).length !== known) throw this.#misuse(`no labels but ${this.#labels.join(", ")}`, labels);
    return this.#series.get(key) ?? this.#new(key, given);
  }

  #new(key: string, given: Readonly<Record<string, unknown>>): Series {
    const named = (valueOf: (name: string) => string): Record<string, string> =>
      Object.fromEntries(this.#labels.map((name) => [name, valueOf(name)]));
    if (this.#series.size < metricSeriesMax)
      return this.#add(
        key,
        named((name) => textOf(given[name])),
      );
    if (!this.#warned) {
      this.#warned = true;
      log.warn("metric {metric} has {series} sets of labels; more are counted as {other}", {
        ...{ metric: this.name, series: metricSeriesMax, other: overflowLabel },
      });
    }
    return (
      this.#series.get(overflowLabel) ??
      this.#add(
        overflowLabel,
        named(() => overflowLabel),
      )
    );
  }

  #add(key: string, labels: Readonly<Record<string, string>>): Series {
    const counts = this.kind === "histogram" ? new Float64Array(this.#bounds.length + 1) : undefined;
    const series = { labels, value: 0, counts, count: 0 };
    this.#series.set(key, series);
    return series;
  }

  observe({ series, value = 0 }: { readonly series: Series; readonly value: number | undefined }): void {
    let bucket = 0;
    while (value > (this.#bounds[bucket] ?? Number.POSITIVE_INFINITY)) bucket++;
    if (series.counts !== undefined) series.counts[bucket] = (series.counts[bucket] ?? 0) + 1;
    series.value += value;
    series.count++;
  }

  #misuse(expected: string, got: unknown): WherryError {
    return new WherryError(
      `metric ${this.name}: expected ${expected}, got ${got === undefined ? "nothing" : JSON.stringify(got)}`,
      {
        code: "SERVICE_METRIC_MISUSED",
      },
    );
  }

  negative(by: number): WherryError {
    return this.#misuse("at least 0, for a counter never goes back; use a gauge", by);
  }

  write(text: MetricsText): void {
    text.head(this.name, this.kind, this.#help);
    for (const { labels, value, counts, count } of this.#series.values())
      if (counts === undefined) text.line(this.name, labels, value);
      else text.histogram(this.name, labels, this.#bounds, { counts, sum: value, count });
  }
}

function textOf(label: unknown): string {
  return typeof label === "string" ? label : JSON.stringify(label);
}

function define(kind: Kind, name: string, help: string, labels: readonly string[], bounds: readonly number[]): Metric {
  const problem = problemOf(kind, name, labels, bounds);
  if (problem !== undefined)
    throw new WherryError(`metric ${JSON.stringify(name)}: ${problem}`, { code: "SERVICE_DEFINITION_INVALID" });
  const metric = new Metric(kind, name, help, labels, bounds);
  const before = registry.get(name);
  // A module that is loaded twice declares the same again, and goes on counting.
  if (before?.definition === metric.definition) return before;
  if (before !== undefined)
    throw new WherryError(`metric ${name}: is declared twice, in two ways`, { code: "SERVICE_DEFINITION_INVALID" });
  registry.set(name, metric);
  return metric;
}

function problemOf(kind: Kind, name: string, labels: readonly string[], bounds: readonly number[]): string | undefined {
  if (!/^[a-zA-Z_:][a-zA-Z0-9_:]{0,199}$/.test(name)) return "expected a name of letters, digits and `_`";
  if (/^(wherry|nodejs|process)_/.test(name)) return "names that begin with wherry_, nodejs_ or process_ are taken";
  if (kind === "counter" && !name.endsWith("_total")) return `a counter's name ends with _total: ${name}_total`;
  const wrong = labels.find((label) => !/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(label) || label.startsWith("__"));
  if (wrong !== undefined) return `expected labels of letters, digits and \`_\`, got ${JSON.stringify(wrong)}`;
  if (new Set(labels).size !== labels.length) return "has a label twice";
  if (kind === "histogram" && labels.includes("le")) return "the label `le` is the buckets'";
  const ascending = bounds.every(
    (bound, index) => Number.isFinite(bound) && bound > (bounds[index - 1] ?? Number.NEGATIVE_INFINITY),
  );
  return kind === "histogram" && (bounds.length === 0 || !ascending) ? "expected buckets that ascend" : undefined;
}

/**
 * Counts what only grows.
 * @param name as Prometheus wants it: `shop_sold_total`. @throws WherryError SERVICE_DEFINITION_INVALID
 * @example const sold = counter("shop_sold_total", "Items sold.", { labels: ["currency"] }); sold.inc({ currency: "EUR" });
 */
export function counter<const L extends string = never>(
  name: string,
  help: string,
  options: MetricOptions<L> = {},
): Counter<L> {
  const metric = define("counter", name, help, options.labels ?? [], []);
  return {
    inc: (...args) => {
      const { series, value: by = 1 } = metric.take(args);
      if (by < 0) throw metric.negative(by);
      series.value += by;
    },
  };
}

/**
 * Holds what goes up and down.
 * @throws WherryError SERVICE_DEFINITION_INVALID
 * @example const open = gauge("shop_orders_open", "Orders that are not paid."); open.inc(); open.dec(); open.set(0);
 */
export function gauge<const L extends string = never>(
  name: string,
  help: string,
  options: MetricOptions<L> = {},
): Gauge<L> {
  const metric = define("gauge", name, help, options.labels ?? [], []);
  const change = (args: readonly unknown[], sign: 1 | -1): void => {
    const { series, value = 1 } = metric.take(args);
    series.value += sign * value;
  };
  return {
    set: (...args) => {
      const { series, value = 0 } = metric.take(args);
      series.value = value;
    },
    inc: (...args) => change(args, 1),
    dec: (...args) => change(args, -1),
  };
}

/**
 * Counts values by size: durations, amounts.
 * @throws WherryError SERVICE_DEFINITION_INVALID
 * @example const paid = histogram("shop_paid_euros", "By order.", { buckets: [1, 10, 100] }); paid.observe(12);
 */
export function histogram<const L extends string = never>(
  name: string,
  help: string,
  options: HistogramOptions<L> = {},
): Histogram<L> {
  const metric = define("histogram", name, help, options.labels ?? [], options.buckets ?? durationBuckets);
  return {
    observe: (...args) => metric.observe(metric.take(args)),
    startTimer: (...args) => {
      const startNs = process.hrtime.bigint();
      const { series } = metric.take(args);
      return () => metric.observe({ series, value: Number(process.hrtime.bigint() - startNs) / 1e9 });
    },
  };
}

/** All of them, for the page. */
export function customMetrics(): string {
  const text = new MetricsText();
  for (const metric of registry.values()) metric.write(text);
  return text.toString();
}
