// Which cluster a client without settings finds, in which order, and what it says when there is none.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findCluster } from "./find-cluster.ts";

let home = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "wherry-find-"));
});
afterEach(() => rmSync(home, { recursive: true }));

/** A kubeconfig below the home folder, whose server tells which one it is. */
function kubeconfig(path: string, server: string): string {
  const file = join(home, path);
  mkdirSync(dirname(file), { recursive: true });
  const [cluster, context] = [{ server }, { cluster: "c" }];
  const entries = { clusters: [{ name: "c", cluster }], contexts: [{ name: "x", context }], "current-context": "x" };
  writeFileSync(file, JSON.stringify(entries));
  return file;
}

describe("the cluster that a client finds", () => {
  test("is KUBECONFIG's, else ~/.kube/config's, else Wherry's default one", async () => {
    const env = { HOME: home };
    kubeconfig(".local/state/wherry/default/kubeconfig", "https://wherry");
    expect((await findCluster(env)).server).toBe("https://wherry");
    kubeconfig("xdg/wherry/default/kubeconfig", "https://xdg");
    expect((await findCluster({ ...env, XDG_STATE_HOME: join(home, "xdg") })).server).toBe("https://xdg");
    kubeconfig("own/default/kubeconfig", "https://own");
    expect((await findCluster({ ...env, WHERRY_HOME: join(home, "own") })).server).toBe("https://own");
    kubeconfig(".kube/config", "https://user");
    expect((await findCluster(env)).server).toBe("https://user");
    const KUBECONFIG = kubeconfig("elsewhere", "https://set");
    expect((await findCluster({ ...env, KUBECONFIG })).server).toBe("https://set");
  });

  test("is the pod's own before any file", async () => {
    kubeconfig(".kube/config", "https://user");
    for (const [name, text] of [
      ["token", "t"],
      ["ca.crt", "c"],
      ["namespace", "shop"],
    ] as const)
      writeFileSync(join(home, name), text);
    const pod = {
      KUBERNETES_SERVICE_HOST: "127.1.0.1",
      KUBERNETES_SERVICE_PORT: "6443",
      WHERRY_SERVICEACCOUNT_DIR: home,
    };
    expect(await findCluster({ HOME: home, ...pod })).toMatchObject({
      server: "https://127.1.0.1:6443",
      namespace: "shop",
    });
  });

  test("is missed with a message that names all that was looked at, and what helps", async () => {
    const failed = findCluster({ HOME: home });
    await expect(failed).rejects.toMatchObject({ code: "SERVICE_NO_CLUSTER" });
    for (const text of [
      "no pod",
      "KUBECONFIG is not set",
      join(home, ".kube/config"),
      join(home, ".local/state/wherry/default/kubeconfig"),
      "npx wherry up",
      "KUBECONFIG=$(npx wherry kubeconfig)",
    ])
      await expect(failed).rejects.toThrow(text);
  });

  test("is never another than the one that KUBECONFIG names", async () => {
    kubeconfig(".kube/config", "https://user");
    const missing = findCluster({ HOME: home, KUBECONFIG: join(home, "gone") });
    await expect(missing).rejects.toMatchObject({ code: "KUBE_CONFIG", message: expect.stringContaining("gone") });
  });
});
