// A process that calls until its stdin ends: `node load.ts PEER ADDRESS CONCURRENCY`. Says `calling` after the first answer, and at
// the end a line of JSON: how many were sent, and how many got no answer, by reason.
import { setTimeout as pause } from "node:timers/promises";
import type { Caller } from "./types.ts";
import { peerOf } from "./peers.ts";

const [name = "", address = "", concurrency = "1"] = process.argv.slice(2);
const peer = await peerOf(name);
const caller = await peer.connect(address);
let stopping = false;
const isStopping = (): boolean => stopping;
process.stdin.on("data", () => undefined).on("end", () => (stopping = true));

let id = 0;
const lost = new Map<string, number>();

/** The pods may still be starting. */
async function firstAnswer(to: Caller): Promise<void> {
  for (;;) {
    try {
      await to.call(++id);
      return;
    } catch {
      await pause(100);
    }
  }
}

async function lane(to: Caller): Promise<void> {
  while (!isStopping()) {
    try {
      await to.call(++id);
    } catch (error) {
      const [reason = ""] = (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).split("\n", 1);
      const short = reason.replace(/\d+/g, "N").slice(0, 80);
      lost.set(short, (lost.get(short) ?? 0) + 1);
      // A caller that fails at once does not fail a thousand times in the same moment.
      await pause(10);
    }
  }
}

await firstAnswer(caller);
const before = id;
process.stdout.write("calling\n");
await Promise.all(Array.from({ length: Number(concurrency) }, () => lane(caller)));
process.stdout.write(`${JSON.stringify({ sent: id - before, lost: Object.fromEntries(lost) })}\n`);
await caller.close();
process.exit(0);
