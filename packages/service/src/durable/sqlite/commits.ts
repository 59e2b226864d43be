// Group commit: what is written in one turn of the event loop shares one transaction, hence one sync of the disk. A write
// resolves after the commit, never before. Knows nothing of queues.
import type { DatabaseSync } from "node:sqlite";
import type { Clock, Random } from "@wherry/core";
import { sqliteBatchMax, sqliteLockedMs } from "../../limits.ts";
import { brokerError } from "../errors.ts";
import { fileError, isBusy } from "./file.ts";

interface Write {
  readonly apply: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class Commits {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #random: Random;
  #pending: Write[] = [];
  #working = false;
  #closed = false;

  constructor(database: DatabaseSync, path: string, clock: Clock, random: Random) {
    this.#database = database;
    this.#path = path;
    this.#clock = clock;
    this.#random = random;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Runs `apply` inside a transaction; it may run again if that has to be repeated, and must not do anything else. */
  write<T>(apply: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closed) {
        reject(closedError());
        return;
      }
      this.#pending.push({ apply, resolve: resolve as Write["resolve"], reject });
      if (this.#working) return;
      this.#working = true;
      setImmediate(() => void this.#work());
    });
  }

  /** Writes what is pending, then no more. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#working) await this.#clock.sleep(1);
  }

  async #work(): Promise<void> {
    while (this.#pending.length > 0) {
      await this.#commit(this.#pending.splice(0, sqliteBatchMax));
      // Who was told of this commit writes in this turn what follows from it, such as an acknowledgement and the next claim: together.
      await new Promise(setImmediate);
    }
    this.#working = false;
  }

  /** A batch that fails as a whole is tried again one by one: a full disk still takes what makes room. */
  async #commit(batch: readonly Write[]): Promise<void> {
    const outcome = await this.#transaction(batch);
    if (outcome instanceof Array) for (const [index, value] of outcome.entries()) batch[index]?.resolve(value);
    else if (batch.length === 1) batch[0]?.reject(outcome);
    else for (const write of batch) await this.#commit([write]);
  }

  async #transaction(batch: readonly Write[]): Promise<unknown[] | Error> {
    const untilMs = this.#clock.monotonic() + sqliteLockedMs;
    for (let pauseMs = 1; ; pauseMs = Math.min(100, pauseMs * 2)) {
      try {
        return this.#try(batch);
      } catch (error) {
        if (!isBusy(error) || this.#clock.monotonic() > untilMs) return fileError(error, this.#path);
      }
      // Another process commits: let the event loop breathe meanwhile.
      await this.#clock.sleep(Math.ceil(pauseMs * (0.5 + this.#random.next() / 2)));
    }
  }

  #try(batch: readonly Write[]): unknown[] {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const results = batch.map((write) => write.apply());
      this.#database.exec("COMMIT");
      return results;
    } catch (error) {
      // SQLite has rolled back by itself after some errors: then there is nothing left to roll back.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }
}

function closedError(): Error {
  return brokerError("BROKER_UNAVAILABLE", "this connection to the broker was closed");
}
