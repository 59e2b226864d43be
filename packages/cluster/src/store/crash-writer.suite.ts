// A process that writes without end and says on stdout what was acknowledged, until it is killed. Started by crash.test.ts.
import { openSqliteBackend } from "./sqlite.ts";

const [path = "", keyCount = "20", concurrency = "8"] = process.argv.slice(2);
const backend = await openSqliteBackend({ path, historyEventsMax: 200 });

async function write(lane: number): Promise<never> {
  for (let step = 0; ; step++) {
    // Each lane has keys of its own, so that nobody else's write is in between.
    const key = `/r/${lane}/${step % Number(keyCount)}`;
    const head = backend.head(key);
    const remove = head !== undefined && step % 7 === 0;
    const result = remove
      ? await backend.delete(key, head.revision, (revision) => `gone ${revision}`)
      : await backend.put(key, head?.revision ?? 0, (revision) => `lane ${lane} step ${step} revision ${revision}`);
    if (result.outcome === "conflict") throw new Error(`nobody else writes ${key}`);
    process.stdout.write(`${JSON.stringify({ key, outcome: result.outcome, entry: result.entry })}\n`);
    if (step % 50 === 0) await backend.compact(Math.max(backend.compactRevision, backend.revision - 100));
  }
}

await Promise.all(Array.from({ length: Number(concurrency) }, (_, lane) => write(lane)));
