// The rows that are rates: for each group a pair of processes of every library, all started before and stopped after, of which
// only one pair works at a time, in turn.
import { curveKeyPair } from "@wherry/zmtp/curve";
import type { BenchOptions, Row } from "../types.ts";
import type { Child, Children } from "./children.ts";
import { goalsOf, type Group, isEcho, type Kind, kinds, type Plan, rowName } from "./plan.ts";
import { ours, rowOf, spread } from "./statistics.ts";
import type { CurveKeys } from "./types.ts";

type Print = BenchOptions["print"];

interface Pair {
  readonly library: string;
  /** Binds, and sends in streams. */
  readonly first: Child;
  readonly second: Child;
  /** A stream's messages since the pair was started. */
  streamed: number;
}

/** What a run told. */
interface Run {
  /** Messages, or requests with their replies, a second. */
  readonly rate: number;
  /** Processor time of both processes for each of all the run's messages, microseconds. */
  readonly cpuUs: number;
}

export async function measureGroup(group: Group, plan: Plan, children: Children, print: Print): Promise<Row[]> {
  const kind: Kind = kinds[group.kind];
  const keys: CurveKeys | undefined = kind.curve && { server: curveKeyPair(), client: curveKeyPair() };
  const started = await Promise.all(
    kind.libraries
      .filter((library) => children.has(library))
      .map((library) => attempt(library, print, () => startPair(library, kind, group, keys, children))),
  );
  let pairs = started.filter((pair) => pair !== undefined);
  const rows: Row[] = [];
  for (const outstanding of group.outstanding) {
    const measured = new Map(pairs.map(({ library }) => [library, [] as number[]]));
    const cpuUs = new Map(pairs.map(({ library }) => [library, [] as number[]]));
    const run = async (pair: Pair, warmupMs: number): Promise<Run | undefined> =>
      attempt(pair.library, print, () => rate(group, pair, outstanding, warmupMs, plan.measureMs, print));
    for (const pair of pairs) await run(pair, plan.firstWarmupMs);
    for (let turn = 0; turn < plan.runs; turn++) {
      // Another one begins each time.
      const order = [...pairs.slice(turn % pairs.length), ...pairs.slice(0, turn % pairs.length)];
      for (const pair of order) {
        const value = await run(pair, plan.warmupMs);
        if (value === undefined) pairs = pairs.filter((other) => other !== pair);
        else {
          measured.get(pair.library)?.push(value.rate);
          if (!Number.isNaN(value.cpuUs)) cpuUs.get(pair.library)?.push(value.cpuUs);
        }
      }
    }
    const name = rowName(group, outstanding);
    const row = rowOf({ name, unit: kind.unit, measured, goals: goalsOf(group, outstanding) });
    print(`  ${name}: ${spread(measured)}${isEcho(group.kind) ? "" : `; ours ${megabytes(row.ours * group.bytes)}`}`);
    const cpu = spread(cpuUs);
    if (cpu !== "") print(`    processor time of both sides for a message, µs: ${cpu}`);
    rows.push(row);
  }
  await Promise.all(started.flatMap((pair) => (pair === undefined ? [] : [pair.first.stop(), pair.second.stop()])));
  return rows;
}

async function startPair(
  library: string,
  { roles, ours: own = ours }: Kind,
  { bytes }: Group,
  keys: CurveKeys | undefined,
  children: Children,
): Promise<Pair> {
  const setup = { bytes, ...(keys === undefined ? {} : { curve: keys }) };
  const name = library === ours ? own : library;
  const first = await children.start(name, { role: roles[0], ...setup });
  const second = await children.start(name, { role: roles[1], endpoint: first.endpoint, ...setup });
  return { library, first, second, streamed: 0 };
}

async function rate(
  { kind }: Group,
  pair: Pair,
  outstanding: number,
  warmupMs: number,
  measureMs: number,
  print: Print,
): Promise<Run> {
  const { library, first, second } = pair;
  const cpuMs = (): number => first.cpuMs() + second.cpuMs();
  const beforeMs = cpuMs();
  if (isEcho(kind)) {
    const { messages, elapsedMs, total } = await second.count({ op: "echo", outstanding, warmupMs, measureMs });
    return { rate: (messages / elapsedMs) * 1_000, cpuUs: ((cpuMs() - beforeMs) / (total ?? NaN)) * 1_000 };
  }
  await first.count({ op: "start" });
  const { messages, elapsedMs } = await second.count({ op: "window", warmupMs, measureMs });
  const sent = await first.count({ op: "stop" });
  const received = await second.count({ op: "await", messages: sent.messages });
  if (received.messages !== sent.messages)
    print(`  ${library} ${kind}: ${sent.messages} messages were sent since the start, ${received.messages} have come`);
  const cpuUs = ((cpuMs() - beforeMs) / (sent.messages - pair.streamed)) * 1_000;
  pair.streamed = sent.messages;
  return { rate: (messages / elapsedMs) * 1_000, cpuUs };
}

/** A library that fails is left out, and that is said; but without ours there is nothing to compare. */
async function attempt<T>(library: string, print: Print, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (library === ours || !(error instanceof Error)) throw error;
    print(`  ${library} is left out: ${error.message}`);
    return undefined;
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toPrecision(3)} MB/s`;
}
