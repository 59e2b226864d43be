// From measurements to rows.
import type { Row } from "../types.ts";

export const ours = "ours";

/** NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

export interface RowOptions {
  readonly name: string;
  readonly unit: string;
  /** A library's measurements, by its name; `ours` must be among them. One without any is left out. */
  readonly measured: ReadonlyMap<string, readonly number[]>;
  /** Default `more`. */
  readonly better?: "more" | "less";
  readonly goals?: Readonly<Record<string, number>>;
  readonly atMost?: number;
}

/** The medians, and how many times better ours is. Goals of libraries that were not measured are left out. */
export function rowOf({ name, unit, measured, better = "more", goals = {}, atMost }: RowOptions): Row {
  const value = median(measured.get(ours) ?? []);
  const peers = Object.fromEntries(
    [...measured]
      .filter(([peer, values]) => peer !== ours && values.length > 0)
      .map(([peer, all]) => [peer, median(all)]),
  );
  const ratios = Object.fromEntries(
    Object.entries(peers).map(([peer, other]) => [peer, better === "more" ? value / other : other / value]),
  );
  const kept = Object.fromEntries(Object.entries(goals).filter(([peer]) => peer in peers));
  return {
    name,
    unit,
    ours: value,
    peers,
    ratios,
    ...(Object.keys(kept).length > 0 ? { goals: kept } : {}),
    ...(atMost === undefined ? {} : { atMost }),
  };
}

/** `ours 2100000 (2050000–2130000)`, of each library: how far apart its runs were. */
export function spread(measured: ReadonlyMap<string, readonly number[]>): string {
  const number = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
  return [...measured]
    .filter(([, values]) => values.length > 0)
    .map(([name, all]) => `${name} ${number(median(all))} (${number(Math.min(...all))}–${number(Math.max(...all))})`)
    .join(", ");
}
