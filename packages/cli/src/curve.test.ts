// Which keys a command takes: those of its options, else those of wherry.yaml; what is wrong is told, and no key is.
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { type ClientCurve, probe, serve, service, type ServiceCurve } from "@wherry/service";
import { curveKeyPair, curvePublicKey } from "@wherry/service/curve";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { keygen } from "./commands/keygen.ts";
import type { Context } from "./context.ts";
import { curveOf, keyHint } from "./curve.ts";
import { Terminal } from "./terminal.ts";

const scratch = mkdtempSync(join(tmpdir(), "wherry-keys-"));
afterAll(() => rmSync(scratch, { recursive: true }));
let folders = 0;
let cwd = "";
beforeEach(() => {
  cwd = join(scratch, String(++folders));
  mkdirSync(cwd);
});
const write = (name: string, text: string): void => writeFileSync(join(cwd, name), text);
const [server, other, alice, bob] = [curveKeyPair(), curveKeyPair(), curveKeyPair(), curveKeyPair()];
const inProd = { name: "shop", namespace: "prod" };

describe("keys for a service", () => {
  test("are none when nothing says so", async () => {
    expect(await curveOf({}, { cwd }, inProd)).toEqual({});
    write("wherry.yaml", "images: {}\n");
    expect(await curveOf({}, { cwd }, inProd)).toEqual({});
    write("wherry.yaml", `curve: { secretKeyFile: nowhere, serverKeys: { stock: "${server.publicKey}" } }\n`);
    expect(await curveOf({}, { cwd }, inProd)).toEqual({});
  });

  test("are a key, or a file with one, as flags or variables say", async () => {
    write("shop.pub", `# of the shop\n${server.publicKey}\n`);
    write("alice.secret", alice.secretKey);
    const keys = { serverKey: server.publicKey, secretKey: alice.secretKey };
    const given = { curveSecretKeyFile: "alice.secret" };
    expect(await curveOf({ curveServerKey: server.publicKey, ...given }, { cwd }, inProd)).toEqual({ curve: keys });
    expect(await curveOf({ curveServerKey: "shop.pub", ...given }, { cwd })).toEqual({ curve: keys });
    expect(await curveOf({ curveServerKey: "shop.pub" }, { cwd })).toEqual({ curve: { serverKey: server.publicKey } });
  });

  test("are those of wherry.yaml by the service's name, the nearest first, and options win", async () => {
    write("alice.secret", alice.secretKey);
    write("bob.secret", bob.secretKey);
    write(
      "wherry.yaml",
      `curve:\n  secretKeyFile: alice.secret\n  serverKeys: { shop: "${other.publicKey}", shop.prod: shop.pub }\n`,
    );
    write("shop.pub", server.publicKey);
    expect(await curveOf({}, { cwd }, inProd)).toEqual({
      curve: { serverKey: server.publicKey, secretKey: alice.secretKey },
    });
    expect(await curveOf({}, { cwd }, { ...inProd, namespace: "test" })).toMatchObject({
      curve: { serverKey: other.publicKey },
    });
    expect(await curveOf({ curveSecretKeyFile: "bob.secret" }, { cwd }, inProd)).toEqual({
      curve: { serverKey: server.publicKey, secretKey: bob.secretKey },
    });
    expect(await curveOf({ curveServerKey: other.publicKey }, { cwd }, inProd)).toMatchObject({
      curve: { serverKey: other.publicKey },
    });
  });

  test.each<[string, string, object, RegExp]>([
    ["a secret key without the service's", "", { curveSecretKeyFile: "x" }, /expected the service's public key too/],
    [
      "a file that is not there",
      "",
      { curveServerKey: "none.pub" },
      /there is no file .*none\.pub: "wherry keygen" makes keys/,
    ],
    ["a file without a key", "", { curveServerKey: "wherry.yaml" }, /expected at least one key/],
    ["YAML that is none", "curve: [", {}, /wherry\.yaml is no YAML/],
    ["another form", "curve: shop.pub", {}, /expected curve: \{ secretKeyFile.*curve is string/],
    ["a name that is mistyped", "curve: { secretKey: x }", {}, /curve\.secretKey is nothing that it has/],
    ["a key that is no text", "curve: { serverKeys: { shop: 17 } }", {}, /serverKeys\.shop is no text/],
  ])("%s is refused", async (_name, yaml, options, message) => {
    write("wherry.yaml", yaml);
    await expect(curveOf(options, { cwd }, inProd)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(message),
    });
  });

  test("no error tells a secret key", async () => {
    write("two.secret", `${alice.secretKey}\n${alice.secretKey.slice(1)}\n`);
    const refused = await curveOf(
      { curveServerKey: server.publicKey, curveSecretKeyFile: "two.secret" },
      { cwd },
    ).catch((error: unknown) => String(error));
    expect(refused).toContain("key 2: expected 40 characters of Z85");
    expect(refused).not.toContain(alice.secretKey.slice(1));
  });
});

describe("who has no keys, or the wrong ones, is told what to do", () => {
  const secret = join(scratch, "server.secret");
  writeFileSync(secret, server.secretKey);
  const shop = service("shop", { methods: { ping: () => "pong" } });
  const own = { serverKey: server.publicKey, secretKey: alice.secretKey };

  test.each<[string, ServiceCurve | undefined, ClientCurve | undefined, RegExp | undefined]>([
    ["with none", { secretKeyFile: secret, allow: [alice.publicKey] }, undefined, /It encrypts: give its public key/],
    ["with one that is not known", { secretKeyFile: secret, allow: [bob.publicKey] }, own, /does not know your key/],
    ["with one for a service that has none", undefined, own, /does not encrypt: leave the keys out/],
    ["with the right one", { secretKeyFile: secret, allow: [alice.publicKey] }, own, undefined],
  ])("%s", async (_name, curve, client, expected) => {
    const { endpoint, server: served } = await serve(shop, { curve });
    const result = await probe(endpoint, client === undefined ? {} : { curve: client });
    await served.close();
    if (expected === undefined) expect(result).toMatchObject({ ok: true, service: "shop" });
    else expect(keyHint(result.ok ? "" : result.error)).toMatch(expected);
  });

  test("and other errors are left as they are", () => {
    expect(keyHint("connect ECONNREFUSED 127.0.0.1:5555")).toBe("");
  });
});

describe("wherry keygen", () => {
  function run(name?: string, options = {}): { readonly code: number; readonly out: string } {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const context = { cwd, terminal: new Terminal({ stdout, stderr, env: {} }) } as unknown as Context;
    const code = keygen(name, options, context);
    return { code, out: String(stdout.read() ?? "").trim() };
  }

  test("writes a pair that fits, the secret key for its owner alone, and says the public one", async () => {
    const { code, out } = run("alice");
    expect(code).toBe(0);
    expect(statSync(join(cwd, "alice.secret")).mode & 0o777).toBe(0o600);
    const { curve } = await curveOf({ curveServerKey: "alice.pub", curveSecretKeyFile: "alice.secret" }, { cwd });
    expect(curve?.serverKey).toBe(out);
    expect(curvePublicKey(curve?.secretKey ?? "")).toBe(out);
    expect(run(undefined, { publicOf: "alice.secret" }).out).toBe(out);
  });

  test.each(["alice.secret", "alice.pub"])("never writes over %s", (name) => {
    write(name, "precious");
    expect(() => run("alice")).toThrow(/is there already/);
    expect(statSync(join(cwd, name)).size).toBe(8);
    const partner = name === "alice.pub" ? "alice.secret" : "alice.pub";
    expect(statSync(join(cwd, partner), { throwIfNoEntry: false })).toBeUndefined();
  });

  test("prints both where no name is given, for people or as JSON", () => {
    expect(run().out).toMatch(/^public {2}\S{40}\nsecret {2}\S{40}$/);
    const { publicKey, secretKey } = JSON.parse(run(undefined, { output: "json" }).out) as Record<string, string>;
    expect(curvePublicKey(secretKey ?? "")).toBe(publicKey);
  });

  test("says what is wrong with a folder that is not there, and with a file that holds no key", () => {
    expect(() => run("nowhere/alice")).toThrow(/cannot be written: there is no folder .*nowhere/);
    expect(() => run(undefined, { publicOf: "none" })).toThrow(/there is no file .*none/);
    expect(() => run("alice", { publicOf: "x" })).toThrow(/--public-of makes no keys/);
  });
});
