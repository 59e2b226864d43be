// Idempotency keys in a SQLite file that the pods of one machine share; it survives their deaths. `commit` writes a call's effect and
// its result in one transaction, so that no death comes between them. It adds one table to the file, and touches no other.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Clock, type Random, SystemClock, SystemRandom, WherryError } from "@wherry/core";
import { isBusy } from "../durable/sqlite/file.ts";
import { isGone, ownIdentity } from "../durable/sqlite/process-identity.ts";
import { keyLeaseMsDefault, keyStoreBusyMs, keyStoreLockedMs, keyTtlMsDefault, sqliteBusyMs } from "../limits.ts";
import type { ContentType } from "../protocol/codes.ts";
import type { RequestContext } from "../handler.ts";
import { claimLost, claimOf, StoreBusy } from "./claims.ts";
import type { Begun, Claim, KeyedCall, KeyStore, StoredResult } from "./types.ts";

export interface SqliteStoreOptions {
  /** Milliseconds that a result is kept. Default one day. */
  readonly ttlMs?: number;
  /**
   * Milliseconds after which a call that began counts as dead, where it cannot be known whether its process lives: in another
   * container. Default 30 s.
   */
  readonly leaseMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

const schema = `
  CREATE TABLE IF NOT EXISTS wherry_key (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    token TEXT NOT NULL,
    owner TEXT NOT NULL,
    kind TEXT,
    content INTEGER,
    body BLOB,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS wherry_key_until ON wherry_key (until_ms) WHERE kind IS NOT NULL;`;

/** Results past their time that one call deletes: a few, so that no call pays for all. */
const forgetMax = 8;

interface Row {
  readonly fingerprint: string;
  readonly token: string;
  readonly owner: string;
  /** Null while it runs. */
  readonly kind: StoredResult["kind"] | null;
  readonly content: ContentType;
  readonly body: Uint8Array | null;
  /** Of the lease while it runs, then of the result; milliseconds since the Unix epoch. */
  readonly until_ms: number;
}

/**
 * Opens, or creates, the file.
 * @param file a path; the pods that share it run on one machine.
 * @throws WherryError SERVICE_KEY_STORE_FAILED
 * @example const store = await sqliteStore("/var/lib/orders/orders.db");
 */
export async function sqliteStore(file: string, options: SqliteStoreOptions = {}): Promise<SqliteStore> {
  const { DatabaseSync: Database } = await import("node:sqlite");
  let database: DatabaseSync | undefined;
  try {
    database = new Database(file, { timeout: keyStoreLockedMs });
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    database.exec(`BEGIN IMMEDIATE; ${schema} COMMIT`);
    database.exec(`PRAGMA busy_timeout = ${sqliteBusyMs}`);
    return new SqliteStore(database, options);
  } catch (cause) {
    database?.close();
    const message = `expected to keep idempotency keys in ${file}, got: ${String(cause)}; check that it is a SQLite file and can be written`;
    throw new WherryError(message, { code: "SERVICE_KEY_STORE_FAILED", details: { file }, cause });
  }
}

export class SqliteStore implements KeyStore {
  readonly leaseMs: number;
  readonly #database: DatabaseSync;
  readonly #statements: Map<string, StatementSync> = new Map();
  readonly #ttlMs: number;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #owner: string = ownIdentity();

  /** Use `sqliteStore`, which prepares the file. */
  constructor(database: DatabaseSync, options: SqliteStoreOptions) {
    this.#database = database;
    this.leaseMs = options.leaseMs ?? keyLeaseMsDefault;
    this.#ttlMs = options.ttlMs ?? keyTtlMsDefault;
    this.#clock = options.clock ?? new SystemClock();
    this.#random = options.random ?? new SystemRandom();
  }

  begin(call: KeyedCall): Begun | Promise<Begun> {
    return this.#patiently(() => this.#begin(call));
  }

  #begin(call: KeyedCall): Begun {
    // Most repetitions find a result, or one that runs: they need not write.
    const known = this.#find(call);
    if (known !== undefined && !this.#isOver(known)) return stateOf(known, call);
    return this.#transaction(() => {
      const nowMs = this.#clock.now();
      const sql = `DELETE FROM wherry_key WHERE rowid IN
        (SELECT rowid FROM wherry_key WHERE kind IS NOT NULL AND until_ms <= ? LIMIT ${forgetMax})`;
      this.#prepared(sql).run(nowMs);
      const row = this.#find(call);
      if (row !== undefined && !this.#isOver(row)) return stateOf(row, call);
      const claim: Claim = { ...call, token: this.#random.uuid() };
      const { scope, key, fingerprint, token } = claim;
      this.#prepared("REPLACE INTO wherry_key VALUES (?, ?, ?, ?, ?, NULL, NULL, NULL, ?)").run(
        ...[scope, key, fingerprint, token, this.#owner, nowMs + this.leaseMs],
      );
      return { state: "new", claim };
    });
  }

  renew({ scope, key, token }: Claim): void | Promise<void> {
    const sql = "UPDATE wherry_key SET until_ms = ? WHERE scope = ? AND key = ? AND token = ? AND kind IS NULL";
    return this.#patiently(() => void this.#prepared(sql).run(this.#clock.now() + this.leaseMs, scope, key, token));
  }

  finish(claim: Claim, result: StoredResult): boolean | Promise<boolean> {
    return this.#patiently(() => this.#finish(claim, result));
  }

  #finish({ scope, key, token }: Claim, { kind, content, body }: StoredResult): boolean {
    const sql = `UPDATE wherry_key SET kind = ?, content = ?, body = ?, until_ms = ?
      WHERE scope = ? AND key = ? AND token = ? AND kind IS NULL`;
    const untilMs = this.#clock.now() + this.#ttlMs;
    return this.#prepared(sql).run(kind, content, body ?? null, untilMs, scope, key, token).changes === 1;
  }

  forget({ scope, key, token }: Claim): void | Promise<void> {
    const sql = "DELETE FROM wherry_key WHERE scope = ? AND key = ? AND token = ? AND kind IS NULL";
    return this.#patiently(() => void this.#prepared(sql).run(scope, key, token));
  }

  /**
   * Runs a call's effect and stores its result in one transaction: both are there, or neither, whenever the process dies. Once a
   * request, and the effect is synchronous; what it returns is the answer. A call without a key gets the transaction alone.
   * @throws ServiceError UNAVAILABLE when another process holds the file: nothing was changed. A keyed call's handler is called again.
   * @example order: (body, context) => store.commit(context, (database) => insertOrder(database, body))
   */
  commit<Result>(context: RequestContext, effect: (database: DatabaseSync) => Result): Result {
    const open = claimOf(context);
    if (open?.recorded !== undefined) throw new TypeError("commit: expected one in a request, got a second");
    const [value, result] = this.#transaction(() => {
      // Before any effect: whoever took the call over would have it, too.
      if (open !== undefined && this.#find(open.claim)?.token !== open.claim.token) throw claimLost(open.claim);
      const done = effect(this.#database);
      if (done instanceof Promise) throw new TypeError("commit: expected a synchronous effect, got a promise");
      const stored = open?.resultOf(done);
      if (open !== undefined && stored !== undefined) this.#finish(open.claim, stored);
      return [done, stored] as const;
    }, this.#beginWhenFree);
    if (open !== undefined) open.recorded = result;
    return value;
  }

  close(): void {
    this.#statements.clear();
    if (this.#database.isOpen) this.#database.close();
  }

  #find({ scope, key }: KeyedCall): Row | undefined {
    const sql = "SELECT * FROM wherry_key WHERE scope = ? AND key = ?";
    return this.#prepared(sql).get(scope, key) as Row | undefined;
  }

  /** The result's time is over, or whoever began it is dead. One that lives keeps its claim, however long it takes. */
  #isOver({ kind, owner, until_ms: untilMs }: Row): boolean {
    if (kind !== null) return untilMs <= this.#clock.now();
    return owner !== this.#owner && (isGone(owner, this.#owner) ?? untilMs <= this.#clock.now());
  }

  /** Again until another process's transaction is over, without holding the event loop: that process may stand still. */
  #patiently<Result>(work: () => Result): Result | Promise<Result> {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error)) throw error;
      return this.#later(work);
    }
  }

  async #later<Result>(work: () => Result): Promise<Result> {
    const untilMs = this.#clock.monotonic() + keyStoreLockedMs;
    for (;;) {
      await this.#clock.sleep(Math.ceil(sqliteBusyMs * (0.5 + this.#random.next() / 2)));
      try {
        return work();
      } catch (error) {
        if (!isBusy(error) || this.#clock.monotonic() > untilMs) throw error;
      }
    }
  }

  #transaction<Result>(work: () => Result, begin: () => void = () => this.#database.exec("BEGIN IMMEDIATE")): Result {
    begin();
    try {
      const result = work();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  /** For `commit`, which is synchronous, and so is its patience: each try waits within SQLite. */
  readonly #beginWhenFree = (): void => {
    for (let tries = Math.ceil(keyStoreBusyMs / sqliteBusyMs); ; tries--) {
      try {
        this.#database.exec("BEGIN IMMEDIATE");
        return;
      } catch (error) {
        if (!isBusy(error)) throw error;
        if (tries <= 1) throw new StoreBusy(error);
      }
    }
  };

  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

function stateOf({ fingerprint, kind, content, body }: Row, call: KeyedCall): Begun {
  if (fingerprint !== call.fingerprint) return { state: "other-body" };
  if (kind === null) return { state: "running" };
  return { state: "done", result: { kind, content, body: body ?? undefined } };
}
