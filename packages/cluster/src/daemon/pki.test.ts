// The daemon's certificates, token and kubeconfig: a client that trusts the CA gets in, the files are the owner's alone, and what is
// damaged is made anew.
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SystemClock, SystemRandom } from "@wherry/core";
import { VirtualClock } from "@wherry/core/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { kubeconfigText } from "./kubeconfig.ts";
import { loadPki } from "./pki.ts";

const env = { clock: new SystemClock(), random: new SystemRandom() };
const hosts = ["127.0.0.1", "localhost", "127.7.0.1", "kubernetes.default.svc"];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wherry-pki-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

test("a TLS client that trusts the CA alone reaches the server by each of its names", async () => {
  const pki = await loadPki(folder, hosts, env);
  const server = createServer({ cert: pki.serverCertificate, key: pki.serverKey }, (_, response) => response.end("hi"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const get = (servername: string): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      request({ host: "127.0.0.1", port, ca: pki.caCertificate, servername, agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .once("error", reject)
        .end();
    });
  try {
    expect(await get("localhost")).toBe(200);
    expect(await get("kubernetes.default.svc")).toBe(200);
    expect(await get("")).toBe(200);
    await expect(get("example.org")).rejects.toThrow(/altnames/);
  } finally {
    server.close();
  }
});

test("files are the owner's alone, and stay the same at the next start", async () => {
  const first = await loadPki(folder, hosts, env);
  for (const file of readdirSync(folder)) expect(statSync(join(folder, file)).mode & 0o777, file).toBe(0o600);
  expect(await loadPki(folder, hosts, env)).toEqual(first);
  expect(Buffer.from(first.adminToken, "base64url").length).toBeGreaterThanOrEqual(32);
});

test("a new address gets a new server certificate from the same CA", async () => {
  const first = await loadPki(folder, hosts, env);
  const second = await loadPki(folder, [...hosts, "127.8.0.1"], env);
  expect(second.caCertificate).toBe(first.caCertificate);
  expect(second.serverCertificate).not.toBe(first.serverCertificate);
  expect(new X509Certificate(second.serverCertificate).checkIP("127.8.0.1")).toBe("127.8.0.1");
});

test("what is about to end, or damaged, is made anew; the token stays", async () => {
  const first = await loadPki(folder, hosts, env);
  const later = await loadPki(folder, hosts, { ...env, clock: new VirtualClock(Date.now() + 3649 * 86_400_000) });
  expect(later.caCertificate).not.toBe(first.caCertificate);
  expect(later.adminToken).toBe(first.adminToken);
  writeFileSync(join(folder, "ca.key"), "broken");
  const again = await loadPki(folder, hosts, env);
  expect(new X509Certificate(again.serverCertificate).verify(new X509Certificate(again.caCertificate).publicKey)).toBe(
    true,
  );
});

test("the kubeconfig names server, CA and token", () => {
  const config = JSON.parse(
    kubeconfigText({ name: "lab", server: "https://127.0.0.1:1", caCertificate: "pem", token: "t" }),
  ) as { clusters: { cluster: Record<string, string> }[]; users: { user: { token: string } }[] };
  expect(config.clusters[0]?.cluster).toEqual({
    server: "https://127.0.0.1:1",
    "certificate-authority-data": Buffer.from("pem").toString("base64"),
  });
  expect(config.users[0]?.user.token).toBe("t");
});
