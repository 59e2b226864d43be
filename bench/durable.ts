// Durable calls through each broker that is there, beside each broker's library used raw in the same run: calls accepted (stored on
// the disk, confirmed) and calls executed and acknowledged, a second; and the time from a call to its handler.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
// The brokers' servers are started as the tests do it; no package exports that.
import {
  missingServer,
  rabbitProgram,
  startNats,
  startRabbit,
} from "../packages/service/src/testing/broker-servers.ts";
import { amqplibRaw } from "./durable/amqplib.ts";
import { jetstreamRaw } from "./durable/jetstream.ts";
import type { Line } from "./durable/line.ts";
import { sqliteRaw } from "./durable/node-sqlite.ts";
import { wherry } from "./durable/wherry.ts";
import type { Bench, Row } from "./types.ts";

interface Place {
  readonly name: string;
  readonly peer: string;
  readonly url: string;
  readonly raw: (url: string) => Promise<Line>;
  readonly stop: () => Promise<void>;
}

/** Calls under way at a time, and handlers that run at a time where not one alone does. */
const [outstanding, concurrency] = [256, 16];

export const bench: Bench = async ({ quick, print }) => {
  const [count, runs, singles] = quick ? [1_000, 1, 50] : [4_000, 3, 300];
  const rows: Row[] = [];
  for (const open of [sqlite, nats, rabbit]) {
    const place = await open();
    if (place === undefined) continue;
    try {
      for (const row of await rowsOf(place, { count, runs, singles })) {
        rows.push(row);
        print(
          `${row.name}: ${Math.round(row.ours * 100) / 100} ${row.unit}, ${place.peer} ${JSON.stringify(row.peers)}`,
        );
      }
    } finally {
      await place.stop();
    }
  }
  return rows;
};

interface Extent {
  readonly count: number;
  readonly runs: number;
  readonly singles: number;
}

async function rowsOf({ name, peer, url, raw }: Place, extent: Extent): Promise<Row[]> {
  const lines = [await wherry(url), await raw(url)] as const;
  try {
    const [ours, theirs] = await figures(lines, extent);
    return Object.entries(ours).map(([what, own]) => {
      const other = theirs[what];
      const isTime = what.endsWith("-ms");
      return {
        name: `durable-${name}-${what}`,
        unit: isTime ? "ms" : "calls/s",
        ours: own,
        peers: other === undefined ? {} : { [peer]: other },
        ratios: other === undefined ? {} : { [peer]: isTime ? other / own : own / other },
      };
    });
  } finally {
    await Promise.all(lines.map((line) => line.close()));
  }
}

/** By what was measured; a library without keys has no figure for them. */
type Figures = Readonly<Record<string, number>>;

/** The medians of each line. They take turns, so that what else the machine does befalls all. */
async function figures(lines: readonly [Line, Line], { count, runs, singles }: Extent): Promise<[Figures, Figures]> {
  const found = lines.map(() => new Map<string, number[]>());
  const note = (index: number, name: string, value: number): void =>
    void found[index]?.set(name, [...(found[index].get(name) ?? []), value]);
  for (const line of lines) {
    await accept(line, count / 10, false);
    await execute(line, count / 10, concurrency);
  }
  for (let run = 0; run < runs; run++)
    for (const [index, line] of lines.entries()) {
      note(index, "accepted", await accept(line, count, false));
      note(index, "executed-1", await execute(line, count, 1));
      const rate = await accept(line, count, line.keyed);
      if (line.keyed) note(index, "accepted-keyed", rate);
      note(index, `executed-${concurrency}`, await execute(line, count, concurrency));
    }
  for (const [index, line] of lines.entries())
    for (const [accepted, handled] of await oneByOne(line, singles)) {
      note(index, "accept-ms", accepted);
      note(index, "handler-ms", handled);
    }
  const medians = (index: number): Figures =>
    Object.fromEntries([...(found[index] ?? [])].map(([name, values]) => [name, median(values)]));
  return [medians(0), medians(1)];
}

let keys = 0;

async function accept(line: Line, count: number, keyed: boolean): Promise<number> {
  let left = count;
  const lane = async (): Promise<void> => {
    while (left-- > 0) await line.publish(keyed ? `${process.pid}-${++keys}` : undefined);
  };
  const startMs = performance.now();
  await Promise.all(Array.from({ length: outstanding }, lane));
  return (count / (performance.now() - startMs)) * 1000;
}

/** Works off what is stored. */
async function execute(line: Line, count: number, atOnce: number): Promise<number> {
  const done = Promise.withResolvers<undefined>();
  let got = 0;
  const startMs = performance.now();
  const stop = await line.consume(atOnce, () => {
    if (++got === count) done.resolve(undefined);
  });
  await done.promise;
  const rate = (count / (performance.now() - startMs)) * 1000;
  await stop();
  return rate;
}

async function oneByOne(line: Line, count: number): Promise<(readonly [number, number])[]> {
  let handled = Promise.withResolvers<undefined>();
  const stop = await line.consume(1, () => handled.resolve(undefined));
  const times: (readonly [number, number])[] = [];
  for (let index = 0; index < count; index++) {
    handled = Promise.withResolvers();
    const startMs = performance.now();
    await line.publish(undefined);
    const acceptedMs = performance.now() - startMs;
    await handled.promise;
    times.push([acceptedMs, performance.now() - startMs]);
  }
  await stop();
  return times;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

async function sqlite(): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), "wherry-bench-"));
  const url = `sqlite://${join(folder, "durable.db")}`;
  const stop = async (): Promise<void> => rmSync(folder, { recursive: true });
  return { name: "sqlite", peer: "node:sqlite", url, raw: () => sqliteRaw(join(folder, "raw.db")), stop };
}

async function nats(): Promise<Place | undefined> {
  if (missingServer("nats-server", "nats-server") !== undefined) return undefined;
  const server = await startNats();
  return { name: "nats", peer: "@nats-io/jetstream", url: server.url, raw: jetstreamRaw, stop: () => server.stop() };
}

async function rabbit(): Promise<Place | undefined> {
  if (missingServer(rabbitProgram, "rabbitmq-server") !== undefined) return undefined;
  const server = await startRabbit();
  return { name: "rabbitmq", peer: "amqplib", url: server.url, raw: amqplibRaw, stop: () => server.stop() };
}
