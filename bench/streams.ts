// One stream of 64-byte items out of a service in another process, and one into it, beside the same with @grpc/grpc-js: items a second.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Client, credentials } from "@grpc/grpc-js";
import { connect } from "@wherry/service";
import { definition } from "./streams/grpc.ts";
import type { Bench, Row } from "./types.ts";

const bytes = 64;

interface Feed {
  /** Takes so many items. */
  readonly out: (count: number) => Promise<void>;
  /** Gives so many items. */
  readonly in: (count: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

export const bench: Bench = async ({ quick, print }) => {
  const [count, runs] = quick ? [100_000, 3] : [1_000_000, 5];
  const rows: Row[] = [];
  for (const direction of ["out", "in"] as const) {
    const [ours, grpc] = [await rate(wherry, direction, count, runs), await rate(grpcJs, direction, count, runs)];
    print(
      `${direction}: ${Math.round(ours)} items/s, grpc-js ${Math.round(grpc)} (medians of ${runs} runs of ${count} items)`,
    );
    const peers = { "grpc-js": grpc };
    rows.push({
      name: `stream-${direction}-${bytes}`,
      unit: "items/s",
      ours,
      peers,
      ratios: { "grpc-js": ours / grpc },
    });
  }
  return rows;
};

async function rate(of: () => Promise<Feed>, direction: "out" | "in", count: number, runs: number): Promise<number> {
  const feed = await of();
  try {
    await feed[direction](count / 10);
    const rates: number[] = [];
    for (let run = 0; run < runs; run++) {
      const startMs = performance.now();
      await feed[direction](count);
      rates.push((count / (performance.now() - startMs)) * 1000);
    }
    return rates.sort((a, b) => a - b)[Math.floor(runs / 2)] ?? 0;
  } finally {
    await feed.close();
  }
}

/** Starts the service in a process of its own. */
async function serverOf(kind: string): Promise<{ readonly endpoint: string; readonly stop: () => Promise<void> }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "streams/server.ts"), kind], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [endpoint] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const stop = async (): Promise<void> => {
    const ended = once(child, "exit");
    child.stdin.end();
    await ended;
  };
  return { endpoint, stop };
}

function* items(count: number): Generator<Buffer> {
  const item = Buffer.alloc(bytes, "x");
  for (let left = count; left > 0; left--) yield item;
}

function expectCount(got: number, expected: number): void {
  if (got !== expected) throw new Error(`expected ${expected} items, got ${got}`);
}

async function wherry(): Promise<Feed> {
  const { endpoint, stop } = await serverOf("wherry");
  const client = connect("feed", { endpoints: [endpoint] });
  return {
    async out(count) {
      let got = 0;
      for await (const item of client.stream("out", count)) got += (item as Uint8Array).length === bytes ? 1 : 0;
      expectCount(got, count);
    },
    async in(count) {
      expectCount((await client.stream("in", items(count)).result) as number, count);
    },
    async close() {
      await client.close();
      await stop();
    },
  };
}

async function grpcJs(): Promise<Feed> {
  const { endpoint, stop } = await serverOf("grpc");
  const client = new Client(endpoint, credentials.createInsecure(), { "grpc.enable_http_proxy": 0 });
  const { out, in: into } = definition;
  return {
    async out(count) {
      const argument = Buffer.alloc(4);
      argument.writeUInt32BE(count);
      let got = 0;
      for await (const item of client.makeServerStreamRequest(
        out.path,
        out.requestSerialize,
        out.responseDeserialize,
        argument,
      ))
        got += (item as Buffer).length === bytes ? 1 : 0;
      expectCount(got, count);
    },
    async in(count) {
      const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
      const call = client.makeClientStreamRequest(
        into.path,
        into.requestSerialize,
        into.responseDeserialize,
        (error, reply) => {
          if (error !== null || reply === undefined) reject(error ?? new Error("no reply"));
          else resolve(reply);
        },
      );
      for (const item of items(count)) if (!call.write(item)) await once(call, "drain");
      call.end();
      expectCount((await promise).readUInt32BE(), count);
    },
    async close() {
      client.close();
      await stop();
    },
  };
}
