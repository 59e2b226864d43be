// What every store of idempotency keys does, run against each of them.
import { VirtualClock } from "@wherry/core/testing";
import { afterEach, describe, expect, test } from "vitest";
import type { Claim, KeyedCall, KeyStore, StoredResult } from "./types.ts";

export interface StoreUnderTest {
  readonly store: KeyStore;
  readonly clock: VirtualClock;
  readonly ttlMs: number;
}

const call: KeyedCall = { scope: "shop.buy", key: "order-1", fingerprint: "a" };
const reply: StoredResult = { kind: "reply", content: 1, body: Buffer.from('{"left":1}') };

export function storeSuite(name: string, open: (clock: VirtualClock) => Promise<StoreUnderTest>): void {
  describe(name, () => {
    const opened: KeyStore[] = [];
    afterEach(async () => {
      for (const store of opened.splice(0)) await store.close();
    });
    async function opening(): Promise<StoreUnderTest> {
      const made = await open(new VirtualClock());
      opened.push(made.store);
      return made;
    }
    async function claimed(store: KeyStore, wanted: KeyedCall = call): Promise<Claim> {
      const begun = await store.begin(wanted);
      if (begun.state !== "new") throw new Error(`expected a claim, got ${begun.state}`);
      return begun.claim;
    }

    test("the first that begins executes; those beside it see that it runs, those after it get its result", async () => {
      const { store } = await opening();
      const claim = await claimed(store);
      expect((await store.begin(call)).state).toBe("running");
      expect(await store.finish(claim, reply)).toBe(true);
      const done = await store.begin(call);
      expect(done).toMatchObject({ state: "done", result: { kind: "reply", content: 1 } });
      expect(done.state === "done" && Buffer.from(done.result.body ?? []).toString()).toBe('{"left":1}');
    });

    test("a result without a body, and an error, come back as they are", async () => {
      const { store } = await opening();
      const [one, two] = [
        { ...call, key: "1" },
        { ...call, key: "2" },
      ];
      await store.finish(await claimed(store, one), { kind: "reply", content: 0, body: undefined });
      await store.finish(await claimed(store, two), { kind: "error", content: 1, body: Buffer.from("{}") });
      expect(await store.begin(one)).toEqual({ state: "done", result: { kind: "reply", content: 0, body: undefined } });
      expect(await store.begin(two)).toMatchObject({ state: "done", result: { kind: "error" } });
    });

    test("keys are apart by scope, and a key with another body is no repetition", async () => {
      const { store } = await opening();
      await store.finish(await claimed(store), reply);
      expect((await store.begin({ ...call, scope: "shop.sell" })).state).toBe("new");
      expect(await store.begin({ ...call, fingerprint: "b" })).toEqual({ state: "other-body" });
    });

    test("what is forgotten can begin again, and its old claim is worth nothing", async () => {
      const { store } = await opening();
      const first = await claimed(store);
      await store.forget(first);
      const second = await claimed(store);
      expect(second.token).not.toBe(first.token);
      expect(await store.finish(first, reply)).toBe(false);
      await store.forget(first);
      await store.renew(first);
      expect((await store.begin(call)).state).toBe("running");
      expect(await store.finish(second, reply)).toBe(true);
      expect(await store.finish(second, reply)).toBe(false);
    });

    test("a result is kept for its time to live, and no longer; one that runs, however long", async () => {
      const { store, clock, ttlMs } = await opening();
      const running = await claimed(store, { ...call, key: "runs" });
      await store.finish(await claimed(store), reply);
      await clock.advance(ttlMs - 1);
      expect((await store.begin(call)).state).toBe("done");
      await clock.advance(1);
      expect((await store.begin(call)).state).toBe("new");
      expect((await store.begin({ ...call, key: "runs" })).state).toBe("running");
      expect(await store.finish(running, reply)).toBe(true);
    });

    test("who waits for one that runs is told when it is over, if the store can tell", async () => {
      const { store } = await opening();
      const claim = await claimed(store);
      const begun = await store.begin(call);
      await store.finish(claim, reply);
      if (begun.state === "running") await begun.settled;
      expect((await store.begin(call)).state).toBe("done");
    });
  });
}
