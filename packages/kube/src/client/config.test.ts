// Where a client finds its cluster: kubeconfigs as kubectl reads them, and a pod's service account. No secret is ever in an error.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { defaultConfig } from "./default-client.ts";
import { inCluster } from "./in-cluster.ts";
import { loadKubeconfig } from "./kubeconfig.ts";

const folders: string[] = [];
afterEach(() => {
  for (const path of folders.splice(0)) rmSync(path, { recursive: true });
});

function folder(files: Record<string, string>): string {
  const path = mkdtempSync(join(tmpdir(), "wherry-config-"));
  folders.push(path);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

const kubeconfig = (user: string): string => `
apiVersion: v1
kind: Config
current-context: here
contexts:
- { name: here, context: { cluster: c, user: u, namespace: shop } }
- { name: anonymous, context: { cluster: d } }
- { name: dangling, context: { cluster: nowhere } }
clusters:
- { name: c, cluster: { server: "https://127.0.0.1:6443", certificate-authority-data: ${btoa("the ca")} } }
- { name: d, cluster: { server: "https://127.0.0.1:1", certificate-authority: ca.pem, insecure-skip-tls-verify: true } }
users:
- { name: u, user: ${user} }
`;

describe("a kubeconfig", () => {
  test("gives server, authority, credentials and namespace of the current context", async () => {
    const at = folder({ config: kubeconfig("{ token: secret }") });
    expect(await loadKubeconfig(join(at, "config"))).toEqual({
      context: "here",
      namespace: "shop",
      server: "https://127.0.0.1:6443",
      ca: Buffer.from("the ca"),
      token: "secret",
    });
  });

  test("finds files relative to itself, and takes certificates as data or file", async () => {
    const user = `{ tokenFile: token, client-certificate: cert.pem, client-key-data: ${btoa("the key")} }`;
    const at = folder({ config: kubeconfig(user), "cert.pem": "the cert", "ca.pem": "another ca" });
    const here = await loadKubeconfig(join(at, "config"));
    expect(here.tokenFile).toBe(join(at, "token"));
    expect(here.clientCertificate?.toString()).toBe("the cert");
    expect(here.clientKey?.toString()).toBe("the key");
    const anonymous = await loadKubeconfig(join(at, "config"), "anonymous");
    expect(anonymous).toMatchObject({ namespace: "default", insecureSkipTlsVerify: true });
    expect(anonymous.ca?.toString()).toBe("another ca");
  });

  test("is found through KUBECONFIG, then in the home folder", async () => {
    const at = folder({ config: kubeconfig("{ token: secret }") });
    const env = { KUBECONFIG: `${join(at, "missing")}:${join(at, "config")}`, HOME: "/nowhere" };
    expect((await loadKubeconfig(undefined, undefined, env)).context).toBe("here");
    expect((await defaultConfig({ env })).namespace).toBe("shop");
    await expect(loadKubeconfig(undefined, undefined, { HOME: at })).rejects.toThrow(
      /\.kube\/config, got no such file/,
    );
  });

  test.each([
    ["{ exec: { command: aws } }", undefined, /got exec in user "u"/],
    ["{ auth-provider: { name: gcp } }", undefined, /auth-provider in user "u"/],
    ["{ token: 5 }", undefined, /expected a string for token in user "u", got number/],
    ["{ token: a }", "elsewhere", /expected "elsewhere" among its contexts/],
    ["{ token: a }", "dangling", /expected "nowhere" among its clusters/],
    ["{ client-certificate: missing.pem }", undefined, /client-certificate of user "u" to be readable/],
    ["{ token: a", undefined, /expected valid YAML/],
  ])("that can't be used is refused, saying why: %s %s", async (user, context, message) => {
    const at = folder({ config: kubeconfig(user) });
    const loading = loadKubeconfig(join(at, "config"), context);
    await expect(loading).rejects.toMatchObject({ code: "KUBE_CONFIG" });
    await expect(loading).rejects.toThrow(message);
  });

  test("never shows a secret in an error", async () => {
    const at = folder({ config: 'users: [{ user: { token: "s3cr3t } }]' });
    const error = (await loadKubeconfig(join(at, "config")).catch((thrown: unknown) => thrown)) as Error;
    expect(error.message).toContain("valid YAML");
    expect(error.message).not.toContain("s3cr3t");
  });
});

test("a folder in place of the file is called one", async () => {
  await expect(loadKubeconfig(folder({}))).rejects.toThrow(/kubeconfig .*: expected a readable file, got a folder$/);
});

describe("in a pod", () => {
  const env = { KUBERNETES_SERVICE_HOST: "127.7.0.1", KUBERNETES_SERVICE_PORT: "6443" };

  test("the service account's files and the service's variables make the configuration", async () => {
    const at = folder({ token: "t", "ca.crt": "the ca", namespace: "shop\n" });
    const inside = { ...env, WHERRY_SERVICEACCOUNT_DIR: at };
    const expected = {
      server: "https://127.7.0.1:6443",
      ca: "the ca",
      tokenFile: join(at, "token"),
      namespace: "shop",
    };
    expect(inCluster(inside)).toEqual(expected);
    expect(await defaultConfig({ env: inside })).toEqual(expected);
    expect(inCluster({ ...inside, KUBERNETES_SERVICE_HOST: "fd00::1" })?.server).toBe("https://[fd00::1]:6443");
  });

  test("nothing is made up where something is missing", () => {
    expect(inCluster({})).toBeUndefined();
    expect(inCluster({ ...env, WHERRY_SERVICEACCOUNT_DIR: folder({}) })).toBeUndefined();
    expect(inCluster({ WHERRY_SERVICEACCOUNT_DIR: folder({ token: "t", "ca.crt": "c" }) })).toBeUndefined();
  });
});
