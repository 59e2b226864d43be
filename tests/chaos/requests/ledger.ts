// The service that the harness torments. Every execution is written down, before and after, with a write that survives the process:
// `+id` it began, `-id` it ended. What a keyed call does, it does in a transaction of a database that all pods share.
import { openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { method, run, service, ServiceError } from "@wherry/service";

const folder = process.env["LEDGER_FOLDER"] ?? "";
const pod = process.env["POD_NAME"] ?? `process-${process.pid}`;
const book = openSync(join(folder, `executions-${pod}-${process.pid}.txt`), "a");
const effects = new DatabaseSync(join(folder, "effects.sqlite"));
effects.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=5000");
effects.exec("CREATE TABLE IF NOT EXISTS effect (key TEXT NOT NULL, result TEXT NOT NULL)");
effects.exec("CREATE INDEX IF NOT EXISTS effect_key ON effect (key)");
const known = effects.prepare("SELECT result FROM effect WHERE key = ?");
const take = effects.prepare("INSERT INTO effect (key, result) VALUES (?, ?)");

interface Work {
  readonly id: string;
  /** Milliseconds that it takes. */
  readonly ms: number;
}

const pause = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));

async function worked<T>({ id, ms }: Work, effect: () => T): Promise<T> {
  writeSync(book, `+${id}\n`);
  if (ms > 0) await pause(ms);
  const result = effect();
  writeSync(book, `-${id}\n`);
  return result;
}

function once(key: string, id: string): string {
  effects.exec("BEGIN IMMEDIATE");
  try {
    const before = known.get(key);
    if (before === undefined) take.run(key, id);
    effects.exec("COMMIT");
    return before === undefined ? id : String(before["result"]);
  } catch (error) {
    effects.exec("ROLLBACK");
    throw error;
  }
}

await run(
  service("ledger", {
    methods: {
      plain: (work: Work) => worked(work, () => work.id),
      repeatable: method({ idempotent: true, handler: (work: Work) => worked(work, () => work.id) }),
      keyed: method({
        keyed: true,
        handler: (work: Work, { key }) => {
          if (key === undefined) throw new ServiceError("KEYLESS", "expected a key, got none; call with one");
          return worked(work, () => once(key, work.id));
        },
      }),
      /** Holds the event loop. */
      block: ({ id, ms }: Work) => {
        writeSync(book, `+${id}\n`);
        for (const untilMs = performance.now() + ms; performance.now() < untilMs; );
        writeSync(book, `-${id}\n`);
        return id;
      },
      bug: ({ id }: Work) => {
        writeSync(book, `+${id}\n`);
        throw new TypeError("a bug in the handler");
      },
      large: ({ bytes }: { readonly bytes: number }) => Buffer.alloc(bytes, "x"),
    },
  }),
  { http: true },
);
