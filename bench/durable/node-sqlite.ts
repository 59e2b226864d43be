// A table as a queue, without sharing commits: each call, and each end of one, is a transaction of its own, synced.
import { DatabaseSync } from "node:sqlite";
import { body, type Line } from "./line.ts";

export async function sqliteRaw(path: string): Promise<Line> {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  database.exec("CREATE TABLE work (id INTEGER PRIMARY KEY, key TEXT UNIQUE, body BLOB)");
  const insert = database.prepare("INSERT INTO work (key, body) VALUES (?, ?) ON CONFLICT DO NOTHING");
  const take = database.prepare("SELECT id FROM work ORDER BY id LIMIT 1");
  const remove = database.prepare("DELETE FROM work WHERE id = ?");
  return {
    keyed: true,
    publish: async (key) => insert.run(key ?? null, body),
    async consume(_atOnce, handle) {
      const stop = new AbortController();
      const running = (async () => {
        while (!stop.signal.aborted) {
          const row = take.get();
          if (row !== undefined) {
            handle();
            remove.run(Number(row["id"]));
          }
          await new Promise(setImmediate);
        }
      })();
      return () => {
        stop.abort();
        return running;
      };
    },
    close: async () => database.close(),
  };
}
