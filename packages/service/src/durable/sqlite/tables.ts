// The statements of the SQLite broker, one method a step. Those that change something run inside a transaction of commits.ts.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { ContentType } from "../../protocol/codes.ts";
import type { DeadLetter, DeadReason, DeadSelection, Depth, OutgoingMessage, Receipt } from "../types.ts";

/** A message as its row. */
export interface MessageRow {
  readonly id: number;
  readonly key: string | null;
  readonly trace: string | null;
  readonly trace_state: string | null;
  readonly content: ContentType;
  readonly codec: string | null;
  readonly body: Uint8Array | null;
  readonly published_ms: number;
  readonly count: number;
}

interface DeadRow extends MessageRow {
  readonly code: string;
  readonly reason: string;
  readonly died_ms: number;
}

/** What stays the same of a message, in the queue and as a dead letter. */
const lasting = "id, queue, key, trace, trace_state, content, codec, body, published_ms";

/** Keys out of their window that one publish forgets: a few, so that no call pays for all of them. */
const forgetMax = 8;

export class Tables {
  readonly #database: DatabaseSync;
  readonly #statements: Map<string, StatementSync> = new Map();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  #run(sql: string, ...values: (string | number | Uint8Array | null)[]): number {
    return Number(this.#prepared(sql).run(...values).changes);
  }

  #get(sql: string, ...values: (string | number | null)[]): Record<string, unknown> | undefined {
    return this.#prepared(sql).get(...values);
  }

  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  publish(queue: string, published: OutgoingMessage, nowMs: number, windowMs: number): Receipt {
    const { key, trace = null, traceState = null, content, codec = null, body = null } = published;
    this.#run(
      `DELETE FROM seen WHERE (queue, key) IN (SELECT queue, key FROM seen WHERE until_ms <= ? LIMIT ${forgetMax})`,
      nowMs,
    );
    if (key !== undefined) {
      const seen = this.#get("SELECT id FROM seen WHERE queue = ? AND key = ? AND until_ms > ?", queue, key, nowMs);
      if (seen !== undefined) return { id: String(seen["id"]), duplicate: true };
    }
    this.#run(
      `INSERT INTO message (queue, key, trace, trace_state, content, codec, body, published_ms, due_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ...[queue, key ?? null, trace, traceState, content, codec, body, nowMs, nowMs],
    );
    const id = Number(this.#get("SELECT last_insert_rowid() AS id")?.["id"]);
    if (key !== undefined) this.#run("REPLACE INTO seen VALUES (?, ?, ?, ?)", queue, key, id, nowMs + windowMs);
    return { id: String(id), duplicate: false };
  }

  /** When the next message of a queue is due, milliseconds since the epoch; undefined when none waits. */
  nextDue(queue: string): number | undefined {
    const row = this.#get("SELECT min(due_ms) AS due FROM message WHERE queue = ? AND owner IS NULL", queue);
    return (row?.["due"] as number | null) ?? undefined;
  }

  claim(queue: string, owner: number, limit: number, nowMs: number): MessageRow[] {
    const due = this.#prepared(
      "SELECT * FROM message WHERE queue = ? AND owner IS NULL AND due_ms <= ? ORDER BY due_ms, id LIMIT ?",
    ).all(queue, nowMs, limit) as unknown as MessageRow[];
    // The count is on the disk before the handler starts: a message that kills its pod is known by it.
    for (const { id } of due) this.#run("UPDATE message SET owner = ?, count = count + 1 WHERE id = ?", owner, id);
    return due.map((row) => ({ ...row, count: row.count + 1 }));
  }

  ack(id: number, owner: number): boolean {
    return this.#run("DELETE FROM message WHERE id = ? AND owner = ?", id, owner) === 1;
  }

  giveBack(id: number, owner: number, dueMs: number): boolean {
    return this.#run("UPDATE message SET owner = NULL, due_ms = ? WHERE id = ? AND owner = ?", dueMs, id, owner) === 1;
  }

  /** As if it had never been claimed: first in the queue again. */
  release(id: number, owner: number): boolean {
    return this.#run("UPDATE message SET owner = NULL, count = count - 1 WHERE id = ? AND owner = ?", id, owner) === 1;
  }

  die(id: number, owner: number, { code, message }: DeadReason, nowMs: number): boolean {
    const moved = this.#run(
      `INSERT INTO dead (${lasting}, count, code, reason, died_ms)
       SELECT ${lasting}, count, ?, ?, ? FROM message WHERE id = ? AND owner = ?`,
      ...[code, message, nowMs, id, owner],
    );
    return moved === 1 && this.ack(id, owner);
  }

  depth(queue: string): Depth {
    const row = this.#get(
      `SELECT count(*) - count(owner) AS ready, count(owner) AS inFlight,
              (SELECT count(*) FROM dead WHERE queue = ?) AS dead FROM message WHERE queue = ?`,
      ...[queue, queue],
    );
    return { ready: Number(row?.["ready"]), inFlight: Number(row?.["inFlight"]), dead: Number(row?.["dead"]) };
  }

  /** Whether anything is known of it: a message, a dead letter, or a key. */
  isKnown(queue: string): boolean {
    const sql = ["message", "dead", "seen"].map((table) => `EXISTS (SELECT 1 FROM ${table} WHERE queue = ?)`);
    return this.#get(`SELECT ${sql.join(" OR ")} AS known`, queue, queue, queue)?.["known"] === 1;
  }

  deadLetters(queue: string, limit: number): DeadLetter[] {
    const rows = this.#prepared("SELECT * FROM dead WHERE queue = ? ORDER BY died_ms, id LIMIT ?").all(queue, limit);
    return (rows as unknown as DeadRow[]).map((row) => ({
      id: String(row.id),
      key: row.key ?? undefined,
      content: row.content,
      codec: row.codec ?? undefined,
      body: row.body ?? undefined,
      reason: { code: row.code, message: row.reason },
      count: row.count,
      publishedMs: row.published_ms,
      diedMs: row.died_ms,
    }));
  }

  redrive(queue: string, which: DeadSelection, nowMs: number): number {
    for (const id of this.#selected(queue, which))
      this.#run(`INSERT INTO message (${lasting}, due_ms) SELECT ${lasting}, ? FROM dead WHERE id = ?`, ...[nowMs, id]);
    return this.purge(queue, which);
  }

  purge(queue: string, which: DeadSelection): number {
    const ids = this.#selected(queue, which);
    for (const id of ids) this.#run("DELETE FROM dead WHERE id = ?", id);
    return ids.length;
  }

  #selected(queue: string, which: DeadSelection): number[] {
    const rows = this.#prepared("SELECT id FROM dead WHERE queue = ? ORDER BY died_ms, id").all(queue);
    const ids = rows.map((row) => Number(row["id"]));
    return which === "all" ? ids : ids.filter((id) => which.includes(String(id)));
  }

  addConsumer(process: string, nowMs: number): number {
    this.#run("INSERT INTO consumer (process, beat_ms) VALUES (?, ?)", process, nowMs);
    return Number(this.#get("SELECT last_insert_rowid() AS id")?.["id"]);
  }

  /** @returns false when the consumer was taken for dead. */
  beat(owner: number, nowMs: number): boolean {
    return this.#run("UPDATE consumer SET beat_ms = ? WHERE id = ?", nowMs, owner) === 1;
  }

  consumers(): { readonly id: number; readonly process: string; readonly beat_ms: number }[] {
    return this.#prepared("SELECT * FROM consumer").all() as unknown as ReturnType<Tables["consumers"]>;
  }

  /** What a consumer that is gone still held is ready again, in its old place. */
  removeConsumer(owner: number): void {
    this.#run("UPDATE message SET owner = NULL WHERE owner = ?", owner);
    this.#run("DELETE FROM consumer WHERE id = ?", owner);
  }
}
