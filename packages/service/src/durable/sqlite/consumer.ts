// One process's consumer of one queue in the SQLite broker: claims what is due when it has room, and hands it out. It sleeps until
// the file changes, the next pause ends, or a slow poll comes, which also finds consumers that died.
import { watch, type FSWatcher } from "node:fs";
import { asError, type Clock, type Logger, type Timer } from "@wherry/core";
import { sqliteBeatMs, sqliteLeaseMs, sqlitePollMs, sqliteSettleRetryMs } from "../../limits.ts";
import type { BrokerConsumer, ConsumeOptions, DeadReason, Delivery } from "../types.ts";
import type { Commits } from "./commits.ts";
import { isGone } from "./process-identity.ts";
import type { MessageRow, Tables } from "./tables.ts";

export interface SqliteConsumerOptions extends ConsumeOptions {
  readonly queue: string;
  readonly path: string;
  readonly identity: string;
  readonly tables: Tables;
  readonly commits: Commits;
  readonly clock: Clock;
  readonly log: Logger;
}

export class SqliteConsumer implements BrokerConsumer {
  readonly #options: SqliteConsumerOptions;
  readonly #out: Set<MessageRow> = new Set();
  #owner = 0;
  #stopped = false;
  #claiming: Promise<void> | undefined;
  #again = false;
  #watcher: FSWatcher | undefined;
  #poll: Timer | undefined;
  #due: Timer | undefined;
  #lastBeatMs = 0;

  constructor(options: SqliteConsumerOptions) {
    this.#options = options;
  }

  /** Deliveries handed out and not settled. */
  get outstanding(): number {
    return this.#out.size;
  }

  async start(): Promise<this> {
    const { commits, clock } = this.#options;
    await this.#register();
    await commits.write(() => this.#buryDead());
    this.#lastBeatMs = clock.monotonic();
    this.#watch();
    this.#pollLater();
    this.wake();
    return this;
  }

  async #register(): Promise<void> {
    const { commits, tables, clock, identity } = this.#options;
    this.#owner = await commits.write(() => tables.addConsumer(identity, clock.now()));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#watcher?.close();
    this.#due?.cancel();
    await this.#claiming;
  }

  /** The last step: what is still out is ready again. */
  async end(): Promise<void> {
    await this.stop();
    this.#poll?.cancel();
    const { commits, tables } = this.#options;
    await commits.write(() => tables.removeConsumer(this.#owner)).catch(() => undefined);
  }

  /** Something may have become ready. */
  wake(): void {
    if (this.#stopped || this.#out.size >= this.#options.prefetch) return;
    if (this.#claiming !== undefined) {
      this.#again = true;
      return;
    }
    this.#again = false;
    const due = this.#nextDueInMs();
    if (due === undefined) return;
    if (due > 0) this.#wakeIn(due);
    else this.#claiming = this.#claim().finally(() => this.#claimed());
  }

  #claimed(): void {
    this.#claiming = undefined;
    if (this.#again || this.#out.size < this.#options.prefetch) this.wake();
  }

  /** Looks without writing: most wake-ups find nothing. */
  #nextDueInMs(): number | undefined {
    const { tables, queue, clock } = this.#options;
    try {
      const due = tables.nextDue(queue);
      return due === undefined ? undefined : due - clock.now();
    } catch {
      return 0;
    }
  }

  async #claim(): Promise<void> {
    const { commits, tables, queue, prefetch, clock, log } = this.#options;
    const room = prefetch - this.#out.size;
    try {
      const rows = await commits.write(() => tables.claim(queue, this.#owner, room, clock.now()));
      for (const row of rows) this.#handOut(row);
    } catch (error) {
      log.warn({ err: asError(error), queue }, "the broker's file could not be used; trying again");
      await clock.sleep(sqliteSettleRetryMs);
    }
  }

  #handOut(row: MessageRow): void {
    const { tables, clock } = this.#options;
    if (this.#stopped) {
      void this.#settle(row, (owner) => tables.release(row.id, owner));
      return;
    }
    this.#out.add(row);
    const delivery: Delivery = {
      id: String(row.id),
      key: row.key ?? undefined,
      trace: row.trace ?? undefined,
      traceState: row.trace_state ?? undefined,
      content: row.content,
      codec: row.codec ?? undefined,
      body: row.body ?? undefined,
      publishedMs: row.published_ms,
      count: row.count,
      ack: () => this.#settle(row, (owner) => tables.ack(row.id, owner)),
      retry: (delayMs) => this.#settle(row, (owner) => tables.giveBack(row.id, owner, clock.now() + delayMs)),
      release: () => this.#settle(row, (owner) => tables.release(row.id, owner)),
      deadLetter: (reason: DeadReason) => this.#settle(row, (owner) => tables.die(row.id, owner, reason, clock.now())),
    };
    this.#options.deliver(delivery);
  }

  /** Settling must not fail for a disk that is full for a while: until it is done, the message is ours, and nobody runs it again. */
  async #settle(row: MessageRow, write: (owner: number) => boolean): Promise<boolean> {
    const { commits, clock, log, queue } = this.#options;
    const owner = this.#owner;
    for (let attempt = 1; ; attempt++) {
      try {
        const settled = commits.write(() => write(owner));
        // The next claim shares this commit.
        this.#out.delete(row);
        this.wake();
        return await settled;
      } catch (error) {
        if (commits.closed) return false;
        if (attempt === 1) log.warn({ err: asError(error), queue, id: row.id }, "a message could not be settled yet");
        await clock.sleep(sqliteSettleRetryMs);
      }
    }
  }

  /** Changes of the write-ahead log tell that some process committed. A file system without such news has the poll. */
  #watch(): void {
    try {
      this.#watcher = watch(`${this.#options.path}-wal`, { persistent: false }, () => this.wake());
      this.#watcher.on("error", () => this.#watcher?.close());
    } catch (error) {
      this.#options.log.debug({ err: asError(error) }, "the broker's file cannot be watched; polling it");
    }
  }

  #wakeIn(delayMs: number): void {
    this.#due?.cancel();
    this.#due = this.#options.clock.timer(delayMs, () => this.wake(), { background: true });
  }

  #pollLater(): void {
    this.#poll = this.#options.clock.timer(
      sqlitePollMs,
      () => {
        void this.#look().finally(() => this.#pollLater());
      },
      { background: true },
    );
  }

  async #look(): Promise<void> {
    const { commits, tables, clock, log, queue } = this.#options;
    const beatIsDue = clock.monotonic() - this.#lastBeatMs >= sqliteBeatMs;
    try {
      if (beatIsDue || this.#gone().length > 0) {
        const known = await commits.write(() => {
          this.#buryDead();
          return tables.beat(this.#owner, clock.now());
        });
        this.#lastBeatMs = clock.monotonic();
        // Taken for dead, by a process that could not see this one: its messages went elsewhere; it goes on as a new consumer.
        if (!known) await this.#register();
      }
    } catch (error) {
      log.warn({ err: asError(error), queue }, "the broker's file could not be looked at; trying again");
    }
    this.wake();
  }

  #gone(): number[] {
    const { tables, identity, clock } = this.#options;
    const oldestMs = clock.now() - sqliteLeaseMs;
    return tables
      .consumers()
      .filter(
        ({ id, process, beat_ms: beatMs }) => id !== this.#owner && (isGone(process, identity) ?? beatMs < oldestMs),
      )
      .map(({ id }) => id);
  }

  #buryDead(): void {
    for (const id of this.#gone()) this.#options.tables.removeConsumer(id);
  }
}
