// The promises W1–W8 of types.ts, for every backend: random commands against a model that is too simple to be wrong, and the
// cases that deserve a name. A failing run prints its seed and the shrunk commands; keep them as a test.
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { command, page, Run, type Subject, watching } from "./random-run.suite.ts";

export function describeBackend(name: string, makeSubject: () => Subject, runs: number): void {
  describe(name, () => {
    const subjects: Subject[] = [];
    afterEach(() => {
      for (const subject of subjects.splice(0)) subject.cleanUp();
    });
    const subject = (): Subject => {
      const made = makeSubject();
      subjects.push(made);
      return made;
    };

    test("keeps W1–W8 under random commands", async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(command, { maxLength: 80, size: "max" }), async (commands) => {
          const one = makeSubject();
          try {
            await new Run(one).all(commands);
          } finally {
            one.cleanUp();
          }
        }),
        { numRuns: runs },
      );
    });

    test("nothing is visible before the commit, and head sees it at once", async () => {
      const backend = await subject().open();
      const abort = new AbortController();
      const watch = watching(backend.watch({ prefix: "/" }, 0, abort.signal));
      const first = watch.next();
      const writing = backend.put("/a", 0, (revision) => `{"r":${revision}}`);
      expect(backend.revision).toBe(0);
      expect(backend.get("/a")).toBeUndefined();
      expect(page(backend, "/").entries).toEqual([]);
      expect(backend.head("/a")?.value).toBe('{"r":1}');
      // A second one of the same turn meets the pending head.
      const second = await backend.put("/a", 0, () => "");
      expect(second).toMatchObject({ outcome: "conflict", current: { revision: 1 } });
      expect(await writing).toMatchObject({ outcome: "written", entry: { key: "/a", revision: 1, createRevision: 1 } });
      expect(backend.get("/a")).toMatchObject({ value: '{"r":1}' });
      expect((await first).value).toMatchObject({ type: "events", events: [{ revision: 1 }] });
      abort.abort();
      expect(await watch.next()).toEqual({ done: true, value: undefined });
      await backend.close();
    });

    test("an encoder that throws has written nothing and used no revision", async () => {
      const backend = await subject().open();
      const writing = backend.put("/a", 0, () => {
        throw new Error("no such object");
      });
      await expect(writing).rejects.toThrow("no such object");
      expect(await backend.put("/a", 0, String)).toMatchObject({ entry: { revision: 1 } });
      await backend.close();
    });

    test("all writes of a turn that fit together are accepted, each with its own revision", async () => {
      const backend = await subject().open();
      const results = await Promise.all(
        Array.from({ length: 5_000 }, (_, index) => backend.put(`/k/${index}`, 0, String)),
      );
      const revisions = results.map((result) => (result.outcome === "written" ? result.entry.revision : 0));
      expect(revisions).toEqual(Array.from({ length: 5_000 }, (_, index) => index + 1));
      expect(page(backend, "/k/").entries).toHaveLength(5_000);
      await backend.close();
    });

    test("a key that is written more often than one transaction holds keeps its newest head", async () => {
      const backend = await subject().open();
      const writes = Array.from({ length: 2_500 }, (_, index) => backend.put("/a", index, String));
      await writes[0];
      expect(backend.head("/a")).toMatchObject({ revision: 2_500 });
      expect(await backend.put("/a", 2_500, String)).toMatchObject({ outcome: "written", entry: { revision: 2_501 } });
      for (const result of await Promise.all(writes)) expect(result.outcome).toBe("written");
      await backend.close();
    });

    test("pages of one snapshot show each entry once, whatever is written in between", async () => {
      const backend = await subject().open();
      for (let index = 0; index < 1200; index++) void backend.put(`/k/${String(index).padStart(4, "0")}`, 0, String);
      await backend.put("/z", 0, String);
      const seen: string[] = [];
      let after: string | undefined;
      const at = backend.revision;
      for (let remaining = 1; remaining > 0; ) {
        const one = backend.list({ prefix: "/k/" }, { at, limit: 500, ...(after === undefined ? {} : { after }) });
        if (one.outcome !== "page") throw new Error(one.outcome);
        remaining = one.remaining;
        expect(one.revision).toBe(at);
        seen.push(...one.entries.map((entry) => entry.key));
        after = seen.at(-1);
        const last = backend.head(after ?? "");
        await backend.delete(after ?? "", last?.revision ?? 0, String);
        await backend.put(`${after}-new`, 0, String);
      }
      expect(seen).toHaveLength(1200);
      expect(new Set(seen).size).toBe(1200);
      await backend.close();
    });

    test("a reader that never comes back costs nothing but its place, and ends with gone", async () => {
      const backend = await subject().open({ historyEventsMax: 10 });
      const slow = watching(backend.watch({ prefix: "/a" }, 0, new AbortController().signal));
      const idle = watching(backend.watch({ prefix: "/b" }, 0, new AbortController().signal));
      const waiting = idle.next();
      let revision = 0;
      for (let index = 0; index < 100; index++) {
        const result = await backend.put("/a", revision, String);
        if (result.outcome === "written") revision = result.entry.revision;
      }
      expect(backend.compactRevision).toBeGreaterThanOrEqual(80);
      expect((await slow.next()).value).toEqual({ type: "gone", compactRevision: backend.compactRevision });
      expect((await slow.next()).done).toBe(true);
      // Nothing was written in its range, so it missed nothing.
      await backend.put("/b", 0, String);
      expect((await waiting).value).toMatchObject({ type: "events", events: [{ revision: 101 }] });
      await backend.close();
      expect((await idle.next()).done).toBe(true);
    });

    test("what is closed accepts nothing, and closing waits for what was accepted", async () => {
      const one = subject();
      const backend = await one.open();
      const writing = backend.put("/a", 0, String);
      await backend.close();
      expect(await writing).toMatchObject({ outcome: "written" });
      await expect(backend.put("/a", 1, String)).rejects.toMatchObject({ code: "STORE_CLOSED" });
      await expect(backend.delete("/a", 1, String)).rejects.toMatchObject({ code: "STORE_CLOSED" });
      await backend.close();
      if (!one.survivesRestart) return;
      const again = await one.open();
      expect(again.get("/a")).toMatchObject({ revision: 1 });
      await again.close();
    });

    test("what can't be compacted, or is too large, is refused without harm", async () => {
      const backend = await subject().open();
      await expect(backend.compact(1)).rejects.toMatchObject({ code: "STORE_COMPACT_FUTURE" });
      const large = "x".repeat(8 * 1024 * 1024 + 1);
      await expect(backend.put("/a", 0, () => large)).rejects.toMatchObject({ code: "STORE_VALUE_TOO_LARGE" });
      await expect(backend.put("/".repeat(3000), 0, String)).rejects.toMatchObject({ code: "STORE_KEY_TOO_LONG" });
      expect(await backend.put("/a", 0, String)).toMatchObject({ outcome: "written" });
      await backend.close();
    });
  });
}
