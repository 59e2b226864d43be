// What is measured, for how long, and what each row must reach. Data and the names of rows; starts nothing.

/** A kind of row: how the two sides are called, and who has both. Ours is always the first. */
export interface Kind {
  readonly roles: readonly ["echo-server", "echo-client"] | readonly ["pub", "sub"] | readonly ["push", "pull"];
  readonly libraries: readonly string[];
  readonly unit: string;
  readonly curve?: true;
  /** What `ours` is called among the children. */
  readonly ours?: string;
  /** How rows begin, where that is not the kind's name. */
  readonly rows?: string;
}

export const kinds = {
  echo: {
    roles: ["echo-server", "echo-client"],
    libraries: ["ours", "zeromq.js", "pyzmq", "fastify", "grpc-js", "node:net"],
    unit: "req/s",
  },
  "curve-echo": {
    roles: ["echo-server", "echo-client"],
    libraries: ["ours", "zeromq.js", "pyzmq"],
    unit: "req/s",
    curve: true,
  },
  // Ours with an option or a call that is not the default; `plain` is ours without.
  "busy-poll-echo": {
    roles: ["echo-server", "echo-client"],
    libraries: ["ours", "plain", "zeromq.js", "node:net"],
    unit: "req/s",
    ours: "busy-poll",
  },
  "recycle-echo": {
    roles: ["echo-server", "echo-client"],
    libraries: ["ours", "plain", "zeromq.js", "node:net"],
    unit: "req/s",
    ours: "recycle",
  },
  "recycle-pushpull": {
    roles: ["push", "pull"],
    libraries: ["ours", "plain", "zeromq.js", "node:net"],
    unit: "msg/s",
    ours: "recycle",
  },
  service: {
    roles: ["echo-server", "echo-client"],
    libraries: ["ours", "zeromq.js", "grpc-js", "fastify", "moleculer", "nats-micro"],
    unit: "req/s",
    ours: "service",
    rows: "echo",
  },
  pubsub: { roles: ["pub", "sub"], libraries: ["ours", "zeromq.js", "pyzmq", "node:net"], unit: "msg/s" },
  pushpull: { roles: ["push", "pull"], libraries: ["ours", "zeromq.js", "pyzmq", "node:net"], unit: "msg/s" },
} as const satisfies Record<string, Kind>;

export type KindName = keyof typeof kinds;

/** Rows that one set of processes serves: the same kind and body. */
export interface Group {
  readonly kind: KindName;
  readonly bytes: number;
  /** A row for each; streams have one, and count for nothing there. */
  readonly outstanding: readonly number[];
}

export interface Plan {
  readonly groups: readonly Group[];
  /** Of each row and library; the median counts. */
  readonly runs: number;
  /** Once before a row's runs. */
  readonly firstWarmupMs: number;
  /** Before each run. */
  readonly warmupMs: number;
  readonly measureMs: number;
  readonly idlePeers: number;
  readonly flatMessages: number;
}

const KiB = 1_024;
const MiB = 1_048_576;
const stream = [1] as const;

export const fullPlan: Plan = {
  groups: [
    { kind: "echo", bytes: 64, outstanding: [1, 10, 100, 1_000] },
    { kind: "echo", bytes: KiB, outstanding: [1, 10, 100, 1_000] },
    // No more than 64 MiB are outstanding.
    { kind: "echo", bytes: 64 * KiB, outstanding: [1, 10, 100, 1_000] },
    { kind: "echo", bytes: MiB, outstanding: [1, 10] },
    { kind: "busy-poll-echo", bytes: 64, outstanding: [1, 10, 100] },
    { kind: "busy-poll-echo", bytes: KiB, outstanding: [1, 10, 100] },
    { kind: "recycle-echo", bytes: 64 * KiB, outstanding: [1, 10, 100] },
    { kind: "recycle-echo", bytes: MiB, outstanding: [1, 10] },
    { kind: "curve-echo", bytes: 64, outstanding: [100] },
    ...(["pubsub", "pushpull"] as const).flatMap((kind) =>
      [64, KiB, 64 * KiB, MiB].map((bytes) => ({ kind, bytes, outstanding: stream })),
    ),
    { kind: "recycle-pushpull", bytes: 64 * KiB, outstanding: stream },
    { kind: "recycle-pushpull", bytes: MiB, outstanding: stream },
  ],
  runs: 5,
  firstWarmupMs: 300,
  warmupMs: 50,
  measureMs: 400,
  idlePeers: 10_000,
  flatMessages: 10_000_000,
};

export const quickPlan: Plan = {
  groups: [
    { kind: "echo", bytes: 64, outstanding: [1, 10, 100, 1_000] },
    { kind: "echo", bytes: MiB, outstanding: [10] },
    { kind: "busy-poll-echo", bytes: 64, outstanding: [1] },
    { kind: "recycle-echo", bytes: MiB, outstanding: [10] },
    { kind: "curve-echo", bytes: 64, outstanding: [100] },
    { kind: "pubsub", bytes: 64, outstanding: stream },
    { kind: "pushpull", bytes: 64, outstanding: stream },
    { kind: "pushpull", bytes: MiB, outstanding: stream },
  ],
  runs: 3,
  firstWarmupMs: 80,
  warmupMs: 20,
  measureMs: 80,
  idlePeers: 2_000,
  flatMessages: 1_000_000,
};

export function rowName({ kind, bytes }: Group, outstanding: number): string {
  const { rows = kind }: Kind = kinds[kind];
  return isEcho(kind) ? `${rows}-${outstanding}-${bytes}` : `${kind}-${bytes}`;
}

/** What an idle peer may cost, bytes. */
export const idlePeerBytesMax = 15_000;

/** The least ratio to each library that the row is to reach (DESIGN 8). */
export function goalsOf({ kind, bytes }: Group, outstanding: number): Readonly<Record<string, number>> {
  if (kind === "service") return outstanding === 100 ? { "zeromq.js": 4, "grpc-js": 40 } : {};
  if (kind === "curve-echo") return { "zeromq.js": 2 };
  if (isEcho(kind)) return { "zeromq.js": outstanding >= 100 ? 10 : outstanding >= 10 ? 4 : 2, "node:net": 0.7 };
  if (bytes === 64) return { "zeromq.js": 5 };
  return bytes === MiB ? { "zeromq.js": 1 } : {};
}

export function isEcho(kind: KindName): boolean {
  return kinds[kind].roles[0] === "echo-server";
}
