// Encryption and authentication between services: who comes in, who they are to handlers, and keys that change.
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Logger, silentLogger } from "@wherry/core";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { connect } from "../client/connect.ts";
import type { Client, ConnectOptions } from "../client/types.ts";
import { serve, type ServeOptions } from "../server/serve.ts";
import type { ServiceError } from "../errors.ts";
import type { Ending } from "../server/hand-back.ts";
import { method, service } from "../define.ts";
import type { Service } from "../service.ts";
import { unchecked } from "../topic.ts";
import { startChild, stopChildren } from "../testing/child.ts";
import { curveKeyPair } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "wherry-curve-"));
let files = 0;
function fileWith(...lines: string[]): string {
  const path = join(folder, `${++files}.keys`);
  writeFileSync(path, lines.join("\n"));
  return path;
}
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await stopChildren();
});
afterAll(() => rmSync(folder, { recursive: true }));

const [server, next, alice, bob] = [curveKeyPair(), curveKeyPair(), curveKeyPair(), curveKeyPair()];
const who = service("who", { methods: { am: (_body: unknown, { userId }) => userId ?? "nobody" } });

/** For calls that must not get through. */
const soon = { deadlineMs: 300 };

async function serving(options: ServeOptions, served: Service = who): Promise<string> {
  const started = await serve(served, options);
  closing.push(() => started.server.close());
  return started.endpoint;
}
function clientOf(endpoint: string, options: ConnectOptions): Client<typeof who> {
  const client = connect<typeof who>("who", { endpoints: [endpoint], deadlineMs: 60_000, ...options } as never);
  closing.push(() => client.close());
  return client;
}

describe("an encrypted service", () => {
  test("lets in who is allowed, and its handlers know who it is", async () => {
    const curve = {
      secretKeyFile: fileWith("# the service's", server.secretKey),
      allow: [alice.publicKey, fileWith(bob.publicKey)],
    };
    const endpoint = await serving({ curve });
    const asking = (secretKey: string): ConnectOptions => ({ curve: { serverKey: server.publicKey, secretKey } });
    expect(await clientOf(endpoint, asking(alice.secretKey)).am()).toBe(alice.publicKey);
    expect(await clientOf(endpoint, asking(bob.secretKey)).am()).toBe(bob.publicKey);
  });

  test.each<[string, ConnectOptions]>([
    ["a client with a key that is not allowed", { curve: { serverKey: server.publicKey, secretKey: bob.secretKey } }],
    ["a client with a key of its own making", { curve: { serverKey: server.publicKey } }],
    ["a client that expects another service", { curve: { serverKey: next.publicKey, secretKey: alice.secretKey } }],
    ["a client that does not encrypt", {}],
  ])("does not talk to %s", async (_name, options) => {
    const curve = { secretKeyFile: fileWith(server.secretKey), allow: [alice.publicKey] };
    const endpoint = await serving({ curve });
    const client = clientOf(endpoint, options);
    // The reason is known once it was refused for the first time.
    await expect
      .poll(() => client.am(undefined, soon).catch((error: unknown) => error))
      .toMatchObject({
        ...{ code: "UNAVAILABLE", fate: "not-started" },
        message: expect.stringContaining(`is not connected; ${endpoint}: `),
      });
  });

  test("admits new keys, and turns away old ones, as its files change; a broken file changes nothing", async () => {
    const [secretKeyFile, allowed] = [fileWith(server.secretKey), fileWith(alice.publicKey)];
    const warnings: string[] = [];
    const log: Logger = { ...silentLogger, warn: (_fields, message) => void warnings.push(message) };
    const endpoint = await serving({ curve: { secretKeyFile, allow: [allowed] }, log });
    const as = (serverKey: string, { secretKey }: { secretKey: string }, options = {}): Promise<string> =>
      clientOf(endpoint, { curve: { serverKey, secretKey } }).am(undefined, options);
    expect(await as(server.publicKey, alice)).toBe(alice.publicKey);
    writeFileSync(allowed, `${bob.publicKey}\n`);
    expect(await as(server.publicKey, bob)).toBe(bob.publicKey);
    await expect(as(server.publicKey, alice, soon)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    writeFileSync(secretKeyFile, `${next.secretKey}\n${server.secretKey}\n`);
    expect(await as(next.publicKey, bob)).toBe(bob.publicKey);
    expect(await as(server.publicKey, bob)).toBe(bob.publicKey);
    writeFileSync(allowed, "not a key\n");
    rmSync(secretKeyFile);
    expect(await as(next.publicKey, bob)).toBe(bob.publicKey);
    expect(new Set(warnings)).toEqual(new Set(["the file of keys cannot be used; the keys stay as they were"]));
    expect(warnings).toHaveLength(2);
  });

  test.each([
    ["no file", { secretKeyFile: join(folder, "none"), allow: [alice.publicKey] }, /none: ENOENT/],
    ["a file without a key", { secretKeyFile: fileWith("# nothing"), allow: [alice.publicKey] }, /at least one key/],
    [
      "a key that is none",
      { secretKeyFile: fileWith("secret-but-wrong"), allow: [alice.publicKey] },
      /40 characters of Z85/,
    ],
    ["nobody allowed", { secretKeyFile: fileWith(server.secretKey), allow: [] }, /nobody could come in/],
  ])("is refused with %s, and no key is told", async (_name, curve, message) => {
    const error: unknown = await serve(who, { curve }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "SERVICE_CURVE_INVALID", message: expect.stringMatching(message) });
    expect(String(error)).not.toContain("secret-but-wrong");
  });

  test("a client's wrong key is refused at once, and not told", () => {
    expect(() =>
      connect("who", { endpoints: ["tcp://127.0.0.1:1"], curve: { serverKey: "secret-but-wrong" } }),
    ).toThrow(
      expect.objectContaining({
        code: "SERVICE_OPTION_INVALID",
        message: "curve.serverKey: expected 40 characters of Z85",
      }),
    );
  });

  test("whose key is taken away loses the connection he has, and is told why; others go on, under load", async () => {
    const allowed = fileWith(alice.publicKey, bob.publicKey);
    const curve = { secretKeyFile: fileWith(server.secretKey), allow: [allowed] };
    const endpoint = await serving({ curve });
    const client = ({ secretKey }: { secretKey: string }): Client<typeof who> =>
      clientOf(endpoint, { curve: { serverKey: server.publicKey, secretKey } });
    const [asAlice, asBob] = [client(alice), client(bob)];
    await Promise.all([asAlice.am(), asBob.am()]);
    let alices = 0;
    const told = { bob: undefined as unknown, alice: undefined as unknown };
    const load = async (): Promise<void> => {
      while (told.bob === undefined) {
        if ((await asAlice.am()) === alice.publicKey) alices++;
      }
    };
    const loads = load().catch((error: unknown) => (told.alice = error));
    writeFileSync(allowed, `${alice.publicKey}\n`);
    while (told.bob === undefined)
      await asBob.am(undefined, soon).catch((error: unknown) => {
        if ((error as ServiceError).code !== "DEADLINE_EXCEEDED") told.bob = error;
      });
    await loads;
    expect(told.alice).toBeUndefined();
    expect(alices).toBeGreaterThan(0);
    // What was under way breaks and says why, what comes later is not let in.
    expect(["ABORTED", "UNAVAILABLE"]).toContain((told.bob as ServiceError).code);
    await expect(asBob.am(undefined, soon)).rejects.toMatchObject({ code: "UNAVAILABLE", fate: "not-started" });
  });

  test("a stream of whom is turned away ends with the reason", async () => {
    const allowed = fileWith(alice.publicKey, bob.publicKey);
    const watch = method({
      stream: "out",
      async *handler(_body: unknown, { signal }) {
        yield "first";
        await once(signal, "abort");
      },
    });
    const watched = service("who", { methods: { watch } });
    const endpoint = await serving({ curve: { secretKeyFile: fileWith(server.secretKey), allow: [allowed] } }, watched);
    const client = clientOf(endpoint, { curve: { serverKey: server.publicKey, secretKey: bob.secretKey } });
    const stream = (client as unknown as Client<typeof watched>).stream("watch");
    expect(await stream.next()).toEqual({ done: false, value: "first" });
    writeFileSync(allowed, `${alice.publicKey}\n`);
    await expect(stream.next()).rejects.toMatchObject({
      code: "ABORTED",
      message: expect.stringContaining("UNAUTHORIZED: this client's key is not allowed any more"),
    });
  });

  test("asks a function who may come in, and whether they may stay; one that fails lets nobody in, and throws nobody out", async () => {
    let answer: "bob" | "nobody" | "broken" = "bob";
    const allow = (key: string): Promise<boolean> => {
      if (answer === "broken") return Promise.reject(new Error("the directory is away"));
      return Promise.resolve(answer === "bob" && key === bob.publicKey);
    };
    const said: string[] = [];
    const take = (_fields: unknown, message: string): void => void said.push(message);
    const log: Logger = { ...silentLogger, warn: take, error: take };
    const endpoint = await serving({ curve: { secretKeyFile: fileWith(server.secretKey), allow }, log });
    const client = (key: { secretKey: string }): Client<typeof who> =>
      clientOf(endpoint, { curve: { serverKey: server.publicKey, secretKey: key.secretKey } });
    const asBob = client(bob);
    expect(await asBob.am()).toBe(bob.publicKey);
    await expect(client(alice).am(undefined, soon)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    answer = "broken";
    await expect.poll(() => said).toContain("whether a client may stay could not be decided: it stays");
    expect(await asBob.am()).toBe(bob.publicKey);
    await expect(client(bob).am(undefined, soon)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await expect.poll(() => said).toContain("whether a client may connect could not be decided: it may not");
    answer = "nobody";
    await expect
      .poll(() => asBob.am(undefined, soon).catch((error: unknown) => (error as ServiceError).code))
      .toBe("UNAVAILABLE");
  });

  test("a function that is slow to decide about one client holds up no decision about another", async () => {
    let bobMay = true;
    let asked = 0;
    // At first she may come in; whether she may stay is never said.
    const allow = (key: string): boolean | Promise<boolean> =>
      key === bob.publicKey ? bobMay : asked++ === 0 || new Promise<boolean>(() => undefined);
    const endpoint = await serving({ curve: { secretKeyFile: fileWith(server.secretKey), allow } });
    const client = ({ secretKey }: { secretKey: string }): Client<typeof who> =>
      clientOf(endpoint, { curve: { serverKey: server.publicKey, secretKey } });
    const [asAlice, asBob] = [client(alice), client(bob)];
    await Promise.all([asAlice.am(), asBob.am()]);
    await expect.poll(() => asked).toBe(2);
    bobMay = false;
    await expect
      .poll(() => asBob.am(undefined, soon).catch((error: unknown) => (error as ServiceError).code))
      .toBe("UNAVAILABLE");
    expect(await asAlice.am()).toBe(alice.publicKey);
    expect(asked).toBe(2);
  });

  test("takes its keys from flags, as a process; one flag without the other is refused", async () => {
    const ports = ["--port", "0", "--admin-port", "0"];
    const flags = ["--curve-secret-key-file", fileWith(server.secretKey), "--curve-allow", fileWith(alice.publicKey)];
    const child = startChild({ args: [...ports, ...flags] });
    const { endpoint } = await child.listening;
    const client = connect("echo", {
      endpoints: [endpoint],
      curve: { serverKey: server.publicKey, secretKey: alice.secretKey },
    });
    closing.push(() => client.close());
    expect(await client.call("echo", "sealed")).toBe("sealed");
    const half = startChild({ args: [...ports, ...flags.slice(2)] });
    expect((await half.exit).code).toBe(2);
    expect(half.stderr()).toContain("--curve-secret-key-file and --curve-allow together");
  });
});

describe("who may call what", () => {
  const guarded = service("who", {
    authorize: async ({ method, userId }) => {
      if (method === "am") return true;
      return userId === alice.publicKey || (userId === bob.publicKey ? "bob may only ask who he is" : false);
    },
    methods: { am: () => "known", secret: () => "secret" },
  });

  test("is asked before each call, by who the caller has proven to be", async () => {
    const curve = { secretKeyFile: fileWith(server.secretKey), allow: [alice.publicKey, bob.publicKey] };
    const endpoint = await serving({ curve }, guarded);
    const as = ({ secretKey }: { secretKey: string }): Client =>
      clientOf(endpoint, { curve: { serverKey: server.publicKey, secretKey } }) as unknown as Client;
    expect(await as(alice).call("secret")).toBe("secret");
    expect(await as(bob).call("am")).toBe("known");
    await expect(as(bob).call("secret")).rejects.toMatchObject({
      code: "FORBIDDEN",
      message: "bob may only ask who he is",
      fate: "answered",
    });
  });

  const asked: string[] = [];
  const told = service("told", {
    authorize: ({ method: name, topic = "" }) => {
      asked.push(`${name} ${topic}`);
      return name === "open" || topic === "news" || name === "$stats" || "not yours";
    },
    topics: { news: unchecked<string>(), secrets: unchecked<string>() },
    methods: {
      open: () => "open",
      numbers: method({
        stream: "in",
        handler: () => expect.unreachable("nobody may"),
      }),
    },
  });

  test("topics, streams, and what the service tells of itself are asked about by names that no method has", async () => {
    asked.length = 0;
    const { endpoint, server: served, httpUrl = "" } = await serve(told, { http: { topics: true } });
    closing.push(() => served.close());
    const client = connect<typeof told>("told", { endpoints: [endpoint] });
    closing.push(() => client.close());
    const news = client.subscribe("news");
    await news.ready;
    served.publish("news", "hello");
    expect((await news.next()).value).toMatchObject({ event: "hello" });
    const refusal = { code: "UNAUTHORIZED", message: "not yours", fate: "answered" };
    const secrets = client.subscribe("secrets");
    await expect(secrets.ready).rejects.toMatchObject(refusal);
    await expect(secrets.next()).rejects.toMatchObject(refusal);
    expect(served.topics?.all.get("secrets")?.subscribers.size).toBe(0);
    let taken = 0;
    const items = function* (): Generator<number> {
      for (;;) yield ++taken;
    };
    await expect(client.stream("numbers", items()).result).rejects.toMatchObject(refusal);
    expect(taken).toBe(0);
    const ask = client as unknown as Client;
    expect(await ask.call("$stats")).toMatchObject({ state: "ready" });
    await expect(ask.call("$describe")).rejects.toMatchObject(refusal);
    await expect(ask.call("$openapi")).rejects.toMatchObject(refusal);
    expect(await ask.call("$ping")).toEqual({});
    expect(asked).toEqual(["$subscribe news", "$subscribe secrets", "numbers ", "$stats ", "$describe ", "$openapi "]);

    const status = async (path: string): Promise<number> =>
      (await fetch(`${httpUrl}${path}`, { method: "HEAD" })).status;
    expect(await Promise.all(["/topics/secrets", "/topics/news", "/openapi.json", "/?stats", "/"].map(status))).toEqual(
      [401, 200, 401, 200, 200],
    );
  });

  test("a subscriber that is gone before it is decided about is forgotten", async () => {
    const decision = Promise.withResolvers<boolean>();
    const slow = service("slow", {
      authorize: ({ method: name }) => name !== "$subscribe" || decision.promise,
      topics: { news: unchecked<string>() },
      methods: { ping: () => "pong" },
    });
    const { endpoint, server: served } = await serve(slow);
    closing.push(() => served.close());
    const client = connect<typeof slow>("slow", { endpoints: [endpoint] });
    closing.push(() => client.close());
    const topic = served.topics?.all.get("news");
    const left = client.subscribe("news");
    await expect.poll(() => topic?.asking.size).toBe(1);
    await left.return();
    await expect.poll(() => topic?.asking.size).toBe(0);
    decision.resolve(true);
    expect(await client.ping()).toBe("pong");
    expect(topic?.subscribers.size).toBe(0);
  });

  test("no body is looked at before it is decided whether its sender may call", async () => {
    const codec = { name: "trap", encode: () => Buffer.from("x"), decode: () => expect.unreachable("looked") };
    const shut = service("shut", {
      codec,
      authorize: () => false,
      methods: { take: (body: unknown) => body, pour: method({ stream: "both", handler: (items) => items }) },
    });
    const { endpoint, server: served } = await serve(shut);
    closing.push(() => served.close());
    const client = connect("shut", { endpoints: [endpoint], codec });
    closing.push(() => client.close());
    await expect(client.call("take", { a: 1 })).rejects.toMatchObject({ code: "UNAUTHORIZED" });
    await expect(client.stream("pour", [{ a: 1 }]).result).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  });

  test("what it throws is a bug, and ends the service, whatever was asked", async () => {
    const endings: Ending[] = [];
    const broken = service("broken", {
      authorize: () => {
        throw new Error("no directory");
      },
      methods: { ping: () => "pong" },
    });
    const { endpoint, server: served } = await serve(broken, { onCrash: (ending) => endings.push(ending) });
    closing.push(() => served.close());
    const client = connect("broken", { endpoints: [endpoint], retry: { attempts: 1 } });
    closing.push(() => client.close());
    await expect(client.call("$describe")).rejects.toMatchObject({ code: "ABORTED" });
    expect(endings).toMatchObject([{ reason: "crashed", error: { message: "no directory" } }]);
  });

  test("whoever has proven nothing is told that", async () => {
    const client = clientOf(await serving({}, guarded), {}) as unknown as Client;
    expect(await client.call("am")).toBe("known");
    await expect(client.call("secret")).rejects.toMatchObject({ code: "UNAUTHORIZED", fate: "answered" });
  });
});
