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
  const [count, runs, singles] = quick ? [1_000, 1, 50] : [5_000, 3, 300];
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
  const [ours, theirs] = [await figures(() => wherry(url), extent), await figures(() => raw(url), extent)];
  return (Object.keys(ours) as (keyof Figures)[]).map((what) => {
    const [own, other] = [ours[what], theirs[what]];
    const isTime = what.endsWith("-ms");
    return {
      name: `durable-${name}-${what}`,
      unit: isTime ? "ms" : "calls/s",
      ours: own,
      peers: other === undefined ? {} : { [peer]: other },
      ratios: other === undefined ? {} : { [peer]: isTime ? other / own : own / other },
    };
  });
}

type Figures = Readonly<
  Record<"accepted" | "accepted-keyed" | "executed-1" | "executed-16" | "accept-ms" | "handler-ms", number>
>;

/** The medians; undefined for what a library doesn't have. */
async function figures(open: () => Promise<Line>, { count, runs, singles }: Extent): Promise<Figures> {
  const line = await open();
  try {
    const found: Record<string, number[]> = {};
    const note = (name: string, value: number): void => void (found[name] ??= []).push(value);
    await accept(line, count / 10, false);
    await execute(line, count / 10, concurrency);
    for (let run = 0; run < runs; run++) {
      note("accepted", await accept(line, count, false));
      note("executed-1", await execute(line, count, 1));
      if (line.keyed) note("accepted-keyed", await accept(line, count, true));
      else await accept(line, count, false);
      note(`executed-${concurrency}`, await execute(line, count, concurrency));
    }
    const times = await oneByOne(line, singles);
    for (const [accepted, handled] of times) {
      note("accept-ms", accepted);
      note("handler-ms", handled);
    }
    return Object.fromEntries(
      Object.entries(found).map(([name, values]) => [name, median(values)]),
    ) as unknown as Figures;
  } finally {
    await line.close();
  }
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
  const { url, stop } = await startNats();
  return { name: "nats", peer: "@nats-io/jetstream", url, raw: jetstreamRaw, stop };
}

async function rabbit(): Promise<Place | undefined> {
  if (missingServer(rabbitProgram, "rabbitmq-server") !== undefined) return undefined;
  const { url, stop } = await startRabbit();
  return { name: "rabbitmq", peer: "amqplib", url, raw: amqplibRaw, stop };
}
