// The service that the harness torments. Every execution is written down, before and after, with a write that survives the process:
// `+id` it began, `-id` it ended. What a keyed or durable call does, it does in the `commit` of the framework's own store of keys, whose
// file all pods share.
import { openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { method, type RequestContext, run, service } from "@wherry/service";
import { sqliteStore } from "@wherry/service/dedupe";

const folder = process.env["LEDGER_FOLDER"] ?? "";
const pod = process.env["POD_NAME"] ?? `process-${process.pid}`;
const book = openSync(join(folder, `executions-${pod}-${process.pid}.txt`), "a");
const store = await sqliteStore(join(folder, "effects.sqlite"));
/** Nothing keeps a key from being there twice: that it is not is what the books are audited for. */
const effects = "CREATE TABLE IF NOT EXISTS effect (key TEXT NOT NULL)";

interface Work {
  readonly id: string;
  /** Milliseconds that it takes. */
  readonly ms: number;
}

async function worked<T>({ id, ms }: Work, effect: () => T): Promise<T> {
  writeSync(book, `+${id}\n`);
  if (ms > 0) await pause(ms);
  const result = effect();
  writeSync(book, `-${id}\n`);
  return result;
}

function once(work: Work, context: RequestContext): Promise<string> {
  return worked(work, () =>
    store.commit(context, (database) => {
      database.exec(effects);
      database.prepare("INSERT INTO effect (key) VALUES (?)").run(work.id);
      return work.id;
    }),
  );
}

await run(
  service("ledger", {
    dedupe: store,
    methods: {
      plain: (work: Work) => worked(work, () => work.id),
      repeatable: method({ idempotent: true, handler: (work: Work) => worked(work, () => work.id) }),
      keyed: method({ keyed: true, handler: once }),
      durable: method({ durable: true, handler: once }),
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
