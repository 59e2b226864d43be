// Encryption and authentication between services: who comes in, who they are to handlers, and keys that change.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Logger, silentLogger } from "@wherry/core";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { connect } from "../client/connect.ts";
import type { Client, ConnectOptions } from "../client/types.ts";
import { serve, type ServeOptions } from "../server/serve.ts";
import { type Service, service } from "../service.ts";
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

async function serving(options: ServeOptions, served: Service = who): Promise<string> {
  const started = await serve(served, options);
  closing.push(() => started.server.close());
  return started.endpoint;
}
function clientOf(endpoint: string, options: ConnectOptions): Client<typeof who> {
  const client = connect<typeof who>("who", { endpoints: [endpoint], deadlineMs: 10_000, ...options } as never);
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
    const client = clientOf(endpoint, { ...options, deadlineMs: 300 });
    await expect(client.am()).rejects.toMatchObject({
      ...{ code: "UNAVAILABLE", fate: "not-started" },
      message: expect.stringContaining(`is not connected; ${endpoint}: `),
    });
  });

  test("admits new keys, and turns away old ones, as its files change; a broken file changes nothing", async () => {
    const [secretKeyFile, allowed] = [fileWith(server.secretKey), fileWith(alice.publicKey)];
    const warnings: string[] = [];
    const log: Logger = { ...silentLogger, warn: (_fields, message) => void warnings.push(message) };
    const endpoint = await serving({ curve: { secretKeyFile, allow: [allowed] }, log });
    const as = (serverKey: string, { secretKey }: { secretKey: string }, deadlineMs = 10_000): Promise<string> =>
      clientOf(endpoint, { curve: { serverKey, secretKey }, deadlineMs }).am();
    expect(await as(server.publicKey, alice)).toBe(alice.publicKey);
    writeFileSync(allowed, `${bob.publicKey}\n`);
    expect(await as(server.publicKey, bob)).toBe(bob.publicKey);
    await expect(as(server.publicKey, alice, 300)).rejects.toMatchObject({ code: "UNAVAILABLE" });
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

  test("whoever has proven nothing is told that", async () => {
    const client = clientOf(await serving({}, guarded), {}) as unknown as Client;
    expect(await client.call("am")).toBe("known");
    await expect(client.call("secret")).rejects.toMatchObject({ code: "UNAUTHORIZED", fate: "answered" });
  });
});
