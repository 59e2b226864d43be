// The broker that needs no server: one SQLite file, shared by the processes of one machine. Every publish is synced to the disk
// before it resolves; a killed consumer's messages go to another at once.
import type { DatabaseSync } from "node:sqlite";
import { sqliteBytesMaxDefault } from "../../limits.ts";
import { endConsumers } from "../grace.ts";
import type {
  Broker,
  BrokerConsumer,
  BrokerOptions,
  ConsumeOptions,
  DeadLetter,
  DeadSelection,
  Depth,
  OutgoingMessage,
  Receipt,
} from "../types.ts";
import { Commits } from "./commits.ts";
import { SqliteConsumer } from "./consumer.ts";
import { fileError, openBrokerFile } from "./file.ts";
import { ownIdentity } from "./process-identity.ts";
import { Tables } from "./tables.ts";

export interface SqliteBrokerOptions extends BrokerOptions {
  readonly path: string;
  /** The file's greatest size. Default 1 GiB. */
  readonly bytesMax?: number;
}

/** @throws WherryError BROKER_UNAVAILABLE, BROKER_REFUSED */
export async function openSqliteBroker(options: SqliteBrokerOptions): Promise<Broker> {
  const database = await openBrokerFile(options.path, options.bytesMax ?? sqliteBytesMaxDefault);
  return new SqliteBroker(database, options);
}

class SqliteBroker implements Broker {
  readonly kind = "sqlite";
  readonly #database: DatabaseSync;
  readonly #options: SqliteBrokerOptions;
  readonly #tables: Tables;
  readonly #commits: Commits;
  readonly #consumers: Set<SqliteConsumer> = new Set();
  #closing: Promise<void> | undefined;

  constructor(database: DatabaseSync, options: SqliteBrokerOptions) {
    const { path, clock, random } = options;
    this.#database = database;
    this.#options = options;
    this.#tables = new Tables(database);
    this.#commits = new Commits(database, path, clock, random);
  }

  async publish(queue: string, message: OutgoingMessage): Promise<Receipt> {
    const { clock, dedupeWindowMs } = this.#options;
    const receipt = await this.#commits.write(() => this.#tables.publish(queue, message, clock.now(), dedupeWindowMs));
    this.#wake();
    return receipt;
  }

  async consume(queue: string, options: ConsumeOptions): Promise<BrokerConsumer> {
    const { path, clock, log } = this.#options;
    const identity = ownIdentity();
    const parts = { tables: this.#tables, commits: this.#commits };
    const consumer = new SqliteConsumer({ ...options, ...parts, queue, path, identity, clock, log });
    this.#consumers.add(consumer);
    return consumer.start();
  }

  async depth(queue: string): Promise<Depth> {
    return this.#read(() => this.#tables.depth(queue));
  }

  async hasQueue(queue: string): Promise<true | undefined> {
    return this.#read(() => this.#tables.isKnown(queue)) ? true : undefined;
  }

  async deadLetters(queue: string, limit: number): Promise<readonly DeadLetter[]> {
    return this.#read(() => this.#tables.deadLetters(queue, limit));
  }

  async redrive(queue: string, which: DeadSelection): Promise<number> {
    const count = await this.#commits.write(() => this.#tables.redrive(queue, which, this.#options.clock.now()));
    this.#wake();
    return count;
  }

  purge(queue: string, which: DeadSelection): Promise<number> {
    return this.#commits.write(() => this.#tables.purge(queue, which));
  }

  close(graceMs = 0): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async #close(graceMs: number): Promise<void> {
    await endConsumers(this.#consumers, graceMs, this.#options.clock);
    await this.#commits.close();
    this.#database.close();
  }

  /** This process need not wait for the news that it made itself. */
  #wake(): void {
    for (const consumer of this.#consumers) consumer.wake();
  }

  #read<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw fileError(error, this.#options.path);
    }
  }
}
