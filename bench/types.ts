// What a benchmark is: a function from options to rows. Speed is measured here and never asserted in a test.

export interface Row {
  /** `startup-cold`, `echo-100-64` */
  readonly name: string;
  /** `ms`, `req/s` */
  readonly unit: string;
  /** The median over the runs. */
  readonly ours: number;
  /** The same of others, measured in the same run on the same machine. */
  readonly peers: Readonly<Record<string, number>>;
  /** How many times better ours is than that peer's. */
  readonly ratios: Readonly<Record<string, number>>;
  /** What a ratio is to reach at least. */
  readonly goals?: Readonly<Record<string, number>>;
  /** What `ours` is to stay within, in the row's unit. */
  readonly atMost?: number;
}

export interface BenchOptions {
  /** A rough answer within 40 s. */
  readonly quick: boolean;
  readonly print: (line: string) => void;
}

export type Bench = (options: BenchOptions) => Promise<readonly Row[]>;
