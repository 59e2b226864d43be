// Prometheus' text format, version 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/).

export const metricsContentType = "text/plain; version=0.0.4; charset=utf-8";

/** The label of all that is beyond the limit of series. */
export const overflowLabel = "(other)";

export class MetricsText {
  readonly #lines: string[] = [];
  /** Of every line. */
  readonly #common: Readonly<Record<string, string>>;

  constructor(common: Readonly<Record<string, string>> = {}) {
    this.#common = common;
  }

  head(name: string, type: "counter" | "gauge" | "histogram", help: string): void {
    const escaped = help.replace(/[\\\n]/g, (special) => (special === "\n" ? "\\n" : "\\\\"));
    this.#lines.push(`# HELP ${name} ${escaped}`, `# TYPE ${name} ${type}`);
  }

  line(name: string, labels: Readonly<Record<string, string>>, value: number): void {
    const pairs = Object.entries({ ...this.#common, ...labels }).map(
      ([key, label]) => `${key}="${escapeLabel(label)}"`,
    );
    this.#lines.push(`${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${number(value)}`);
  }

  single(name: string, type: "counter" | "gauge", help: string, value: number): void {
    this.head(name, type, help);
    this.line(name, {}, value);
  }

  /** One series of a histogram. @param counts of each bucket alone, the last one for what is above all bounds. */
  histogram(
    name: string,
    labels: Readonly<Record<string, string>>,
    bounds: readonly number[],
    { counts, sum, count }: { readonly counts: ArrayLike<number>; readonly sum: number; readonly count: number },
  ): void {
    let cumulated = 0;
    for (const [index, bound] of bounds.entries()) {
      cumulated += counts[index] ?? 0;
      this.line(`${name}_bucket`, { le: String(bound), ...labels }, cumulated);
    }
    this.line(`${name}_bucket`, { le: "+Inf", ...labels }, count);
    this.line(`${name}_sum`, labels, sum);
    this.line(`${name}_count`, labels, count);
  }

  toString(): string {
    return this.#lines.length === 0 ? "" : `${this.#lines.join("\n")}\n`;
  }
}

/** One page of several with the same metrics: each with its head once, and the lines of all pages below it. */
export function mergedMetrics(pages: readonly string[]): string {
  const metrics = new Map<string, string[]>();
  for (const page of pages)
    for (const metric of page.split(/^(?=# HELP )/m)) {
      const [help = "", type = "", ...lines] = metric.trimEnd().split("\n");
      const known = metrics.get(help);
      if (known === undefined) metrics.set(help, [type, ...lines]);
      else known.push(...lines);
    }
  return [...metrics].map(([help, lines]) => [help, ...lines].join("\n")).join("\n") + "\n";
}

function number(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  return value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value);
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (special) => (special === "\n" ? "\\n" : `\\${special}`));
}
