// Keyed calls are executed once: in one pod, across pods, and across the deaths of pods.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { silentLogger } from "@wherry/core";
import { VirtualClock } from "@wherry/core/testing";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { connect } from "../client/connect.ts";
import type { Client } from "../client/types.ts";
import { ServiceError } from "../errors.ts";
import { bodyBytesMax } from "../limits.ts";
import { type Serving, serve } from "../server/serve.ts";
import { method, service } from "../define.ts";
import type { RequestContext } from "../handler.ts";
import type { Service } from "../service.ts";
import { startChild, stopChildren } from "../testing/child.ts";
import { memoryStore } from "./memory-store.ts";
import { sqliteStore } from "./sqlite-store.ts";
import { storeSuite } from "./store.suite.ts";
import type { Claim, KeyedCall, KeyStore } from "./types.ts";

const folder = mkdtempSync(join(tmpdir(), "wherry-dedupe-"));
let files = 0;
const newFile = (): string => join(folder, `${++files}.db`);
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await stopChildren();
});
afterAll(() => rmSync(folder, { recursive: true }));

storeSuite("the store in memory", async (clock) => ({
  store: memoryStore({ clock, ttlMs: 1000 }),
  clock,
  ttlMs: 1000,
}));
storeSuite("the store in SQLite", async (clock) => ({
  store: await sqliteStore(newFile(), { clock, ttlMs: 1000 }),
  clock,
  ttlMs: 1000,
}));

test("a full store in memory says so, and executes nothing", () => {
  const store = memoryStore({ keysMax: 1 });
  expect(store.begin({ scope: "a", key: "1", fingerprint: "" })).toMatchObject({ state: "new" });
  expect(() => store.begin({ scope: "a", key: "2", fingerprint: "" })).toThrow(
    expect.objectContaining({ code: "BUSY", retryable: true }),
  );
});

test("a store in memory keeps room for others' keys, whatever one caller sends, and has it again when those are forgotten", async () => {
  const clock = new VirtualClock();
  const store = memoryStore({ keysMax: 8, ttlMs: 50, clock });
  const busy = expect.objectContaining({ code: "BUSY", message: expect.stringContaining("6 of ") as string }) as Error;
  const called = (key: string, caller: string): Claim | undefined => {
    const begun = store.begin({ scope: "a", key, fingerprint: "f", caller });
    return !(begun instanceof Promise) && begun.state === "new" ? begun.claim : undefined;
  };
  for (let key = 0; key < 6; key++) {
    const claim = called(`greedy-${key}`, "greedy");
    if (claim === undefined) throw new Error("expected a new call");
    expect(store.finish(claim, { kind: "reply", content: 0, body: undefined })).toBe(true);
  }
  expect(() => called("greedy-7", "greedy")).toThrow(busy);
  // What it has called before is answered still, and another is not kept out.
  expect(store.begin({ scope: "a", key: "greedy-1", fingerprint: "f", caller: "greedy" })).toMatchObject({
    state: "done",
  });
  expect(called("1", "modest")).toBeDefined();
  await clock.advance(51);
  expect(called("greedy-7", "greedy")).toBeDefined();
});

test("a store in memory is bounded in bytes, too, of what it knows; what is forgotten makes room", async () => {
  const clock = new VirtualClock();
  const store = memoryStore({ bytesMax: 1000, ttlMs: 50, clock });
  const call = (key: string): KeyedCall => ({ scope: "a", key, fingerprint: "f" });
  const begin = (key: string): Claim => {
    const begun = store.begin(call(key));
    if (begun instanceof Promise || begun.state !== "new") throw new Error("expected a new call");
    return begun.claim;
  };
  const [first, second] = [begin("1"), begin("2")];
  // Its effect has happened: the result is kept, though it is too much.
  expect(store.finish(first, { kind: "reply", content: 2, body: new Uint8Array(2000) })).toBe(true);
  expect(store.finish(second, { kind: "reply", content: 0, body: undefined })).toBe(true);
  expect(store.begin(call("1"))).toMatchObject({ state: "done" });
  expect(() => store.begin(call("3"))).toThrow(expect.objectContaining({ code: "BUSY", retryable: true }));
  await clock.advance(51);
  await store.forget(begin("3"));
  for (let key = 0; key < 100; key++) await store.forget(begin(String(key)));
});

test("a file that is none of SQLite's is refused", async () => {
  await expect(sqliteStore(folder)).rejects.toMatchObject({ code: "SERVICE_KEY_STORE_FAILED" });
});

interface Works {
  readonly executions: string[];
  readonly service: Service;
}

/** A service whose handler notes each execution. */
function works(store: KeyStore, handler: (body: string, context: RequestContext) => unknown): Works {
  const executions: string[] = [];
  const work = method({
    keyed: true,
    handler: (body: string, context) => {
      executions.push(body);
      return handler(body, context);
    },
  });
  return { executions, service: service("works", { concurrency: 100, dedupe: store, methods: { work } }) };
}

async function clientOf(...services: Service[]): Promise<Client> {
  const started: Serving[] = [];
  for (const one of services) started.push(await serve(one, { log: silentLogger, onCrash: () => undefined }));
  const client = connect("works", { endpoints: started.map(({ endpoint }) => endpoint) });
  closing.push(() => Promise.all(started.map(({ server }) => server.close())));
  closing.push(() => client.close());
  return client;
}

describe.each([
  ["in memory", async () => memoryStore()],
  ["in SQLite", () => sqliteStore(newFile())],
])("a keyed call with its store %s", (_name, open) => {
  async function opened(): Promise<KeyStore> {
    const store = await open();
    closing.push(() => store.close());
    return store;
  }

  test("runs once, whether its repetitions come while it runs or later", async () => {
    const gate = Promise.withResolvers<undefined>();
    let count = 0;
    const { executions, service: served } = works(await opened(), async () => {
      await gate.promise;
      return { count: ++count };
    });
    const client = await clientOf(served);
    const together = Promise.all(Array.from({ length: 5 }, () => client.call("work", "a", { key: "1" })));
    while (executions.length === 0) await new Promise((resolve) => setImmediate(resolve));
    gate.resolve(undefined);
    expect(await together).toEqual(new Array(5).fill({ count: 1 }));
    expect(await client.call("work", "a", { key: "1" })).toEqual({ count: 1 });
    expect(await client.call("work", "a", { key: "2" })).toEqual({ count: 2 });
    expect(await client.call("work", "a")).toEqual({ count: 3 });
    expect(executions).toEqual(["a", "a", "a"]);
  });

  test("keeps bytes and definite errors; what may succeed later is executed again", async () => {
    const { executions, service: served } = works(await opened(), (body) => {
      if (body === "sold out") throw new ServiceError("SOLD_OUT", "none left", { details: { left: 0 } });
      if (body === "later") throw new ServiceError("TOO_EARLY", "come back", { retryable: true });
      if (body === "cancelled") throw new ServiceError("CANCELLED", "interrupted");
      return Buffer.from(body);
    });
    const client = await clientOf(served);
    for (let time = 0; time < 2; time++) {
      expect(await client.call("work", "bytes", { key: "1" })).toEqual(Buffer.from("bytes"));
      const error = { code: "SOLD_OUT", message: "none left", details: { left: 0 }, fate: "answered" };
      await expect(client.call("work", "sold out", { key: "2" })).rejects.toMatchObject(error);
      await expect(client.call("work", "later", { key: "3" })).rejects.toMatchObject({ code: "TOO_EARLY" });
      await expect(client.call("work", "cancelled", { key: "4" })).rejects.toMatchObject({ code: "CANCELLED" });
    }
    expect(executions.toSorted()).toEqual(["bytes", "cancelled", "cancelled", "later", "later", "sold out"]);
    await expect(client.call("work", "other", { key: "1" })).rejects.toMatchObject({
      code: "INVALID",
      message: expect.stringContaining("expected the body that it first came with"),
    });
  });
});

test("a reply that is too large is the call's result: it was once executed again, and its key never freed", async () => {
  const store = memoryStore();
  const { executions, service: served } = works(store, (body) => {
    if (body === "reply") return Buffer.alloc(bodyBytesMax + 1);
    throw new ServiceError("SOLD_OUT", "none left", { details: { body: "x".repeat(bodyBytesMax) } });
  });
  const client = await clientOf(served);
  for (let time = 0; time < 2; time++)
    for (const body of ["reply", "error"])
      await expect(client.call("work", body, { key: body })).rejects.toMatchObject({ code: "TOO_LARGE" });
  expect(executions).toEqual(["reply", "error", "error"]);
});

test("a store that fails before anything was executed is told as that", async () => {
  const failing = memoryStore();
  failing.begin = () => {
    throw new Error("disk full");
  };
  const { executions, service: served } = works(failing, () => 1);
  const client = await clientOf(served);
  const error = { code: "UNAVAILABLE", retryable: true, message: expect.stringContaining("disk full") };
  await expect(client.call("work", "a", { key: "1" })).rejects.toMatchObject(error);
  expect(executions).toEqual([]);
});

describe("pods that share a file", () => {
  test("execute a call once together, and each knows the other's result", async () => {
    const file = newFile();
    const [one, two] = [await sqliteStore(file), await sqliteStore(file)];
    closing.push(
      () => one.close(),
      () => two.close(),
    );
    const slowly = async (body: string): Promise<string> => {
      await new Promise((resolve) => setImmediate(resolve));
      return body;
    };
    const [first, second] = [works(one, slowly), works(two, slowly)];
    const clients = [await clientOf(first.service), await clientOf(second.service)];
    const keys = Array.from({ length: 30 }, (_, index) => `key-${index}`);
    const calls = keys.flatMap((key) => clients.map((client) => client.call("work", key, { key })));
    expect(await Promise.all(calls)).toEqual(keys.flatMap((key) => [key, key]));
    expect([...first.executions, ...second.executions].toSorted()).toEqual(keys.toSorted());
  });

  test("a lost claim changes nothing, and the other's result is the answer", async () => {
    const file = newFile();
    const [mine, thief] = [await sqliteStore(file), new DatabaseSync(file)];
    closing.push(
      () => mine.close(),
      () => thief.close(),
    );
    let time = 0;
    const { executions, service: served } = works(mine, (body, context) => {
      // As if this process had stood still for so long that another one took over, and has finished.
      if (time++ === 0)
        thief.exec(`UPDATE wherry_key SET token = 'x', kind = 'reply', content = 1, body = CAST('"theirs"' AS BLOB)`);
      return mine.commit(context, () => body);
    });
    const client = await clientOf(served);
    expect(await client.call("work", "mine", { key: "1" })).toBe("theirs");
    expect(executions).toEqual(["mine"]);
  });

  test("wait while another process holds the file, and its event loop goes on: a stopped pod once failed the others' calls", async () => {
    const file = newFile();
    const [store, other] = [await sqliteStore(file), new DatabaseSync(file)];
    closing.push(
      () => store.close(),
      () => other.close(),
    );
    const { executions, service: served } = works(store, (body, context) => {
      if (body === "at commit" && executions.length === 1) {
        other.exec("BEGIN IMMEDIATE");
        // The commit gives up for now; the other process is done a moment later.
        setImmediate(() => other.exec("COMMIT"));
      }
      return store.commit(context, () => body);
    });
    const client = await clientOf(served);
    expect(await client.call("work", "at commit", { key: "1" })).toBe("at commit");
    expect(executions).toEqual(["at commit", "at commit"]);
    other.exec("BEGIN IMMEDIATE");
    const held = client.call("work", "at the beginning", { key: "2" });
    for (let pings = 0; pings < 10; pings++) await client.call("$ping");
    expect(executions).toHaveLength(2);
    other.exec("COMMIT");
    expect(await held).toBe("at the beginning");
  });

  test("commit is for one synchronous effect, and a call without a key has the transaction alone", async () => {
    const store = await sqliteStore(newFile());
    closing.push(() => store.close());
    const { service: served } = works(store, (body, context) => {
      const done = store.commit(context, (database) => {
        database.exec("CREATE TABLE IF NOT EXISTS effect (body TEXT); INSERT INTO effect VALUES ('x')");
        if (body === "refused") throw new ServiceError("SOLD_OUT", "none left");
        return database.prepare("SELECT count(*) AS count FROM effect").get();
      });
      if (body === "twice") expect(() => store.commit(context, () => 2)).toThrow("expected one in a request");
      if (body === "promise") expect(() => store.commit(context, () => Promise.resolve())).toThrow(TypeError);
      return done;
    });
    const client = await clientOf(served);
    expect(await client.call("work", "a")).toEqual({ count: 1 });
    await expect(client.call("work", "refused", { key: "1" })).rejects.toMatchObject({ code: "SOLD_OUT" });
    expect(await client.call("work", "a", { key: "2" })).toEqual({ count: 2 });
    expect(await client.call("work", "a", { key: "2" })).toEqual({ count: 2 });
    expect(await client.call("work", "twice", { key: "3" })).toEqual({ count: 3 });
    expect(await client.call("work", "promise")).toEqual({ count: 4 });
  });
});

describe("a pod that is killed", () => {
  /** Dies on its first attempt, at the place that the body names. */
  const program = (file: string): string => `
    import { run, service, method } from "@wherry/service";
    import { sqliteStore } from "@wherry/service/dedupe";
    const store = await sqliteStore(${JSON.stringify(file)});
    const die = () => process.kill(process.pid, "SIGKILL");
    await run(service("works", { dedupe: store, methods: { work: method({ keyed: true, handler: (place, context) => {
      if (place === "before" && context.attempt === 1) die();
      const result = store.commit(context, (database) => {
        database.exec("CREATE TABLE IF NOT EXISTS effect (key TEXT)");
        database.prepare("INSERT INTO effect VALUES (?)").run(context.key);
        if (place === "inside" && context.attempt === 1) die();
        return database.prepare("SELECT count(*) AS count FROM effect").get();
      });
      if (place === "after" && context.attempt === 1) die();
      return result;
    } }) } }));`;

  test.each(["before", "inside", "after"])("%s its commit leaves one effect, and one answer", async (place) => {
    const file = newFile();
    const pods = [startChild({ program: program(file) }), startChild({ program: program(file) })];
    const endpoints = (await Promise.all(pods.map(({ listening }) => listening))).map(({ endpoint }) => endpoint);
    const client = connect("works", { endpoints });
    closing.push(() => client.close());
    expect(await client.call("work", place, { key: "1", deadlineMs: 20_000 })).toEqual({ count: 1 });
    expect(await client.call("work", place, { key: "1", deadlineMs: 20_000 })).toEqual({ count: 1 });
    const database = new DatabaseSync(file);
    closing.push(() => database.close());
    expect(database.prepare("SELECT key FROM effect").all()).toEqual([{ key: "1" }]);
    expect(client.counters.retries).toBe(1);
  });
});
