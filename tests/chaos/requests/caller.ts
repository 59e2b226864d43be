// A process that calls the ledger without a break until it is told to stop, and writes down what it was told of each call:
// a line of JSON each (`Told`). Arguments: one JSON object (`CallerSetup`). Ends when every call has settled or is overdue.
import { createWriteStream } from "node:fs";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { SeededRandom } from "@wherry/core/testing";
import { type Client, connect, type DurableReceipt, ServiceError } from "@wherry/service";
import type { CallerSetup, Kind, Told } from "./types.ts";

const setup = JSON.parse(process.argv[2] ?? "{}") as CallerSetup;
const random = new SeededRandom(setup.seed);
const book = createWriteStream(setup.file);
const kinds: readonly Kind[] = ["plain", "repeatable", "keyed", "durable"];
/** One durable call in so many is made again once it is stored, with its key. */
const repeatedOf = 8;
/** A call that has no outcome so long after its deadline never will. */
const overdueMs = 5_000;

let count = 0;
let stopping = false;
/** A function, since it changes while others wait. */
const isStopping = (): boolean => stopping;
const open = new Map<string, Kind>();
const connected = (): Client =>
  connect("ledger", { deadlineMs: setup.deadlineMs, name: setup.name, durable: ["durable"] });
let client = connected();

process.stdin.on("data", () => (stopping = true)).on("end", () => (stopping = true));

function tell(told: Told): void {
  open.delete(told.id);
  book.write(`${JSON.stringify(told)}\n`);
}

async function callOnce(): Promise<void> {
  const id = `${setup.name}-${++count}`;
  const kind = kinds[random.below(kinds.length)] ?? "plain";
  open.set(id, kind);
  const body = { id, ms: random.below(setup.workMsMax + 1) };
  const started = performance.now();
  const atMs = Date.now();
  try {
    const value = await client.call(kind, body, kind === "keyed" || kind === "durable" ? { key: id } : {});
    const right = kind === "durable" ? await isReceipt(value, id, body) : value === id;
    tell({ id, kind, atMs, outcome: right ? "answered" : "wrong-answer", ms: performance.now() - started });
  } catch (error) {
    const ms = performance.now() - started;
    if (ServiceError.is(error))
      tell({ id, kind, atMs, outcome: "failed", code: error.code, fate: error.fate, message: error.message, ms });
    else
      tell({ id, kind, atMs, outcome: "failed", code: "THROWN", fate: "maybe-executed", message: String(error), ms });
  }
}

/** A receipt of a message that is new; asked again at times, the broker must know its key. */
async function isReceipt(value: unknown, key: string, body: unknown): Promise<boolean> {
  const { id, duplicate } = value as DurableReceipt;
  if (id === "" || duplicate) return false;
  if (random.below(repeatedOf) > 0) return true;
  return ((await client.call("durable", body, { key })) as DurableReceipt).duplicate;
}

async function lane(): Promise<void> {
  while (!isStopping()) await callOnce();
}

/**
 * New clients come and go while the others call: the first request of each, with no connection yet, meets whatever state the pods are
 * in. One that cannot find out where the pods are, since the API is down, does not take over.
 */
async function newcomers(): Promise<void> {
  while (!isStopping() && setup.newcomerEveryMs > 0) {
    const next = connected();
    while (!isStopping() && next.counters.endpoints === 0) await pause(1);
    const before = client;
    client = next;
    // The calls that are under way still belong to the old one.
    setTimeout(() => void before.close(), setup.deadlineMs + 1_000).unref();
    await pause(setup.newcomerEveryMs);
  }
}

const lanes = Promise.all([...Array.from({ length: setup.concurrency }, lane), newcomers()]);
process.stdout.write("calling\n");
await Promise.race([
  lanes,
  (async () => {
    while (!isStopping()) await pause(50);
    await pause(setup.deadlineMs + overdueMs);
  })(),
]);
for (const [id, kind] of open) tell({ id, kind, outcome: "unsettled", atMs: 0, ms: 0 });
book.end();
await once(book, "close");
process.exit(0);
