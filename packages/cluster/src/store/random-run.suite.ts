// Random commands, and how one sequence of them is run against a backend and the model, comparing all that is visible after each.
import fc from "fast-check";
import { expect } from "vitest";
import { Model } from "./model.suite.ts";
import type { Backend, Page, Revision, WatchBatch } from "./types.ts";

export interface Subject {
  /** Opens the store; again after `close`, it is the same one where it can survive that. */
  open(options?: { readonly historyEventsMax?: number }): Promise<Backend>;
  readonly survivesRestart: boolean;
  cleanUp(): void;
}

const keys = ["/r/pods/a/1", "/r/pods/a/2", "/r/pods/ab/1", "/r/pods/b/1", "/r/nodes/1"];
const prefixes = ["/r/", "/r/pods/", "/r/pods/a/", "/r/nodes/", "/r/pods/b/1"];

const key = fc.constantFrom(...keys);
const prefix = fc.constantFrom(...prefixes);
/** 0: as it should be; else that far off. */
const off = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.integer({ min: -3, max: 3 }) },
);

export const command = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("put" as const), key, off, value: fc.nat(99) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("delete" as const), key, off }) },
  // Everything before it was started in one turn, and is awaited together.
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("settle" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("compact" as const), back: fc.nat(6) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("watch" as const), prefix, back: fc.integer({ min: -2, max: 12 }) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("pull" as const), watch: fc.nat(5), batches: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cancel" as const), watch: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("progress" as const), wait: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("list" as const),
      prefix,
      back: fc.integer({ min: -2, max: 12 }),
      limit: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
);

export type Command = typeof command extends fc.Arbitrary<infer Value> ? Value : never;

type Reader = AsyncIterator<WatchBatch, undefined>;

export function watching(watch: ReturnType<Backend["watch"]>): Reader {
  if (!(Symbol.asyncIterator in watch)) throw new Error(`the watch was refused: ${watch.outcome}`);
  return watch[Symbol.asyncIterator]() as Reader;
}

export function page(backend: Backend, range: string): Page {
  const result = backend.list({ prefix: range });
  if (result.outcome !== "page") throw new Error(result.outcome);
  return result;
}

interface OpenWatch {
  readonly prefix: string;
  readonly reader: Reader;
  readonly abort: AbortController;
  /** Everything of its range up to here was delivered. */
  deliveredThrough: Revision;
  /** A pull that found nothing, and waits. */
  waiting: Promise<IteratorResult<WatchBatch, undefined>> | undefined;
}

/** One sequence of commands, run against the backend and the model. */
export class Run {
  readonly #subject: Subject;
  readonly #model = new Model();
  #backend!: Backend;
  #watches: OpenWatch[] = [];
  #pending: Promise<void>[] = [];

  constructor(subject: Subject) {
    this.#subject = subject;
  }

  async all(commands: readonly Command[]): Promise<void> {
    this.#backend = await this.#subject.open();
    for (const one of commands) {
      await this.#run(one);
      this.#compare();
    }
    await this.#settle();
    for (const watch of this.#watches) await this.#pull(watch, 3);
    await this.#backend.close();
  }

  #run(one: Command): void | Promise<void> {
    switch (one.kind) {
      case "put":
        this.#put(one.key, one.off, one.value);
        return;
      case "delete":
        this.#delete(one.key, one.off);
        return;
      case "settle":
        return this.#settle();
      case "compact":
        return this.#compact(one.back);
      case "watch":
        this.#watch(one.prefix, this.#backend.revision - one.back);
        return;
      case "pull": {
        const watch = this.#watches[one.watch % Math.max(1, this.#watches.length)];
        return watch === undefined ? undefined : this.#pull(watch, one.batches);
      }
      case "cancel":
        return this.#cancel(one.watch);
      case "progress":
        return this.#progress(one.wait);
      case "list":
        this.#list(one.prefix, this.#backend.revision - one.back, one.limit);
        return;
      case "restart":
        return this.#subject.survivesRestart ? this.#restart() : undefined;
    }
  }

  #put(at: string, by: number, data: number): void {
    const head = this.#model.head(at);
    expect(this.#backend.head(at)?.revision).toBe(head?.revision);
    const expected = (head?.revision ?? 0) + by;
    const encode = (revision: Revision): string => `${data}@${revision}`;
    const outcome = this.#model.write("put", at, expected, encode);
    this.#pending.push(
      this.#backend.put(at, expected, encode).then((result) => {
        if (outcome.entry === undefined) expect(result).toEqual({ outcome: "conflict", current: outcome.current });
        else expect(result).toEqual({ outcome: "written", entry: outcome.entry });
        if (outcome.entry !== undefined) expect(this.#backend.revision).toBeGreaterThanOrEqual(outcome.entry.revision);
      }),
    );
  }

  #delete(at: string, by: number): void {
    const expected = (this.#model.head(at)?.revision ?? 0) + by;
    const encode = (revision: Revision): string => `gone@${revision}`;
    const outcome = this.#model.write("delete", at, expected, encode);
    this.#pending.push(
      this.#backend.delete(at, expected, encode).then((result) => {
        if (outcome.entry === undefined) expect(result).toEqual({ outcome: "conflict", current: outcome.current });
        else expect(result).toEqual({ outcome: "deleted", entry: outcome.entry, revision: outcome.entry.revision });
      }),
    );
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#pending.splice(0));
    expect(this.#backend.revision).toBe(this.#model.headRevision);
  }

  async #compact(back: number): Promise<void> {
    const through = this.#backend.revision - back;
    if (through < 0) return;
    await this.#backend.compact(through);
    expect(this.#backend.compactRevision).toBe(Math.max(through, this.#model.compactRevision));
    this.#model.compact(through);
  }

  #watch(range: string, after: Revision): void {
    const abort = new AbortController();
    const watch = this.#backend.watch({ prefix: range }, after, abort.signal);
    if (after > this.#backend.revision)
      expect(watch).toEqual({ outcome: "future", currentRevision: this.#backend.revision });
    else if (after < this.#model.compactRevision)
      expect(watch).toEqual({ outcome: "compacted", compactRevision: this.#model.compactRevision });
    else if (this.#watches.length < 6)
      this.#watches.push({
        prefix: range,
        reader: watching(watch),
        abort,
        deliveredThrough: after,
        waiting: undefined,
      });
    else abort.abort();
  }

  /** Takes what is there; the pull that finds nothing is kept, as a reader in a loop would have it. */
  async #pull(watch: OpenWatch, batches: number): Promise<void> {
    for (let count = 0; count < batches; count++) {
      watch.waiting ??= watch.reader.next();
      const step = await Promise.race([watch.waiting, turn()]);
      if (step === undefined) {
        this.#expectNothingOwed(watch);
        return;
      }
      watch.waiting = undefined;
      if (step.done === true) throw new Error("the watch ended by itself");
      if (!this.#delivered(watch, step.value)) return;
    }
  }

  #expectNothingOwed(watch: OpenWatch): void {
    const owed = this.#model.events(watch.prefix, watch.deliveredThrough, this.#backend.revision);
    expect(owed).toEqual([]);
  }

  /** @returns false when it was the last batch. */
  #delivered(watch: OpenWatch, batch: WatchBatch): boolean {
    if (batch.type === "gone") {
      // Only a watch that has missed something may be ended.
      const missed = this.#model.events(watch.prefix, watch.deliveredThrough, this.#model.compactRevision);
      expect(missed).not.toEqual([]);
      this.#watches = this.#watches.filter((one) => one !== watch);
      return false;
    }
    if (batch.type === "progress") {
      expect(batch.revision).toBeGreaterThanOrEqual(watch.deliveredThrough);
      expect(batch.revision).toBeLessThanOrEqual(this.#backend.revision);
      expect(this.#model.events(watch.prefix, watch.deliveredThrough, batch.revision)).toEqual([]);
      watch.deliveredThrough = batch.revision;
      return true;
    }
    const last = batch.events.at(-1)?.revision ?? 0;
    expect(last).toBeLessThanOrEqual(this.#backend.revision);
    expect(batch.events).toEqual(this.#model.events(watch.prefix, watch.deliveredThrough, last));
    expect(batch.events.length).toBeGreaterThan(0);
    watch.deliveredThrough = last;
    return true;
  }

  async #cancel(index: number): Promise<void> {
    const watch = this.#watches[index % Math.max(1, this.#watches.length)];
    if (watch === undefined) return;
    watch.abort.abort();
    if (watch.waiting !== undefined) {
      // What came before the abort may still be delivered; nothing after it.
      const step = await watch.waiting;
      if (step.done !== true) this.#delivered(watch, step.value);
    }
    expect((await watch.reader.next()).done).toBe(true);
    this.#watches = this.#watches.filter((one) => one !== watch);
  }

  /** Each watch confirms what was durable when it was asked, behind all events before that. */
  async #progress(wait: boolean): Promise<void> {
    const revision = this.#backend.revision;
    this.#backend.requestProgress();
    if (!wait) return;
    for (const watch of [...this.#watches]) {
      for (let confirmed = false; !confirmed && this.#watches.includes(watch); ) {
        const step = await (watch.waiting ?? watch.reader.next());
        watch.waiting = undefined;
        if (step.done === true) throw new Error("the watch ended by itself");
        this.#delivered(watch, step.value);
        confirmed = step.value.type === "progress" && step.value.revision >= revision;
      }
    }
  }

  #list(range: string, at: Revision, limit: number): void {
    const first = this.#backend.list({ prefix: range }, { at, limit });
    if (at > this.#backend.revision) {
      expect(first).toEqual({ outcome: "future", currentRevision: this.#backend.revision });
      return;
    }
    if (at < this.#model.compactRevision) {
      expect(first).toEqual({ outcome: "compacted", compactRevision: this.#model.compactRevision });
      expect(this.#backend.get(keys[0] as string, at)).toEqual(first);
      return;
    }
    const expected = this.#model.snapshot(range, at);
    for (let start = 0, one = first; ; ) {
      expect(one).toEqual({
        outcome: "page",
        entries: expected.slice(start, start + limit),
        revision: at,
        remaining: Math.max(0, expected.length - start - limit),
      });
      start += limit;
      const after = expected[start - 1]?.key;
      if (after === undefined) break;
      one = this.#backend.list({ prefix: range }, { at, limit, after });
    }
    for (const entry of expected) expect(this.#backend.get(entry.key, at)).toEqual(entry);
  }

  /** Closes and opens it again; watches are resumed where they were. */
  async #restart(): Promise<void> {
    const watches = this.#watches.splice(0);
    await this.#backend.close();
    await this.#settle();
    for (const { waiting } of watches) await waiting;
    const before = [this.#backend.revision, this.#backend.compactRevision];
    this.#backend = await this.#subject.open();
    expect([this.#backend.revision, this.#backend.compactRevision]).toEqual(before);
    for (const { prefix: range, deliveredThrough } of watches) this.#watch(range, deliveredThrough);
  }

  /** What is visible is exactly the model at the durable revision. */
  #compare(): void {
    const { revision } = this.#backend;
    expect(revision).toBeLessThanOrEqual(this.#model.headRevision);
    const all = this.#model.snapshot("/", revision);
    expect(page(this.#backend, "/")).toEqual({ outcome: "page", entries: all, revision, remaining: 0 });
    for (const one of keys) expect(this.#backend.get(one)).toEqual(all.find((entry) => entry.key === one));
    for (const one of keys) expect(this.#backend.head(one)).toEqual(this.#model.head(one));
  }
}

/** Long enough for everything that is ready to come. */
async function turn(): Promise<undefined> {
  for (let count = 0; count < 3; count++) await new Promise((resolve) => setImmediate(resolve));
  return undefined;
}
