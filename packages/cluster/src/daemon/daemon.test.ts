// A whole cluster in this process: real store, API, loops and agents; simulated containers, so that no process is started.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger, SystemClock, SystemRandom } from "@wherry/core";
import { type Deployment, resources } from "@wherry/kube";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Daemon, startDaemon } from "./daemon.ts";
import type { DaemonOptions } from "./options.ts";
import type { DaemonInfo } from "./state.ts";

const env = { clock: new SystemClock(), random: new SystemRandom(), log: silentLogger };
let home: string;
const running = new Set<Daemon>();
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "wherry-daemon-"));
});
afterEach(async () => {
  for (const daemon of running) await daemon.stop();
  running.clear();
  rmSync(home, { recursive: true, force: true });
});

async function start(more: Partial<DaemonOptions> = {}): Promise<Daemon> {
  const daemon = await startDaemon({ home, name: "test", runtime: "simulated", ...more }, env);
  running.add(daemon);
  return daemon;
}

const web: Deployment = {
  metadata: { name: "web", namespace: "default" },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: "web" } },
    template: {
      metadata: { labels: { app: "web" } },
      spec: { terminationGracePeriodSeconds: 1, containers: [{ name: "web", image: "busybox" }] },
    },
  },
};
const uids = async (daemon: Daemon): Promise<string[]> =>
  (await daemon.client.list(resources.pods)).items.map(({ metadata }) => metadata.uid).sort();
const available = async (daemon: Daemon): Promise<number | undefined> =>
  (await daemon.client.get(resources.deployments, "web", "default")).status?.availableReplicas;

describe("a cluster", () => {
  test("runs a deployment over its nodes, and keeps what it knows from start to start", async () => {
    const first = await start({ nodes: 2 });
    await first.client.create(resources.deployments, web);
    await expect.poll(() => available(first)).toBe(3);
    const nodes = new Set((await first.client.list(resources.pods)).items.map(({ spec }) => spec?.nodeName));
    expect([...nodes].sort()).toEqual(["node-1", "node-2"]);
    const { server, slot } = first.info;
    const kubeconfig = readFileSync(first.paths.kubeconfig, "utf8");
    await first.stop();
    running.delete(first);
    expect(existsSync(first.paths.daemonFile)).toBe(false);

    const second = await start({ nodes: 2 });
    expect(second.info).toMatchObject({ server, slot });
    expect(readFileSync(second.paths.kubeconfig, "utf8")).toBe(kubeconfig);
    await expect.poll(() => available(second)).toBe(3);
  });

  test("that was let go of is adopted as it was", async () => {
    const first = await start();
    await first.client.create(resources.deployments, web);
    await expect.poll(() => available(first)).toBe(3);
    const before = await uids(first);
    await first.detach();
    running.delete(first);
    const second = await start();
    expect(await uids(second)).toEqual(before);
  });

  test("that is ephemeral leaves nothing", async () => {
    const daemon = await start({ ephemeral: true });
    expect(existsSync(daemon.paths.store)).toBe(false);
    await daemon.stop();
    running.delete(daemon);
    expect(existsSync(daemon.paths.folder)).toBe(false);
  });

  test("says that it listens before everything else is up, and keeps its files to its owner", async () => {
    const told: DaemonInfo[] = [];
    const daemon = await startDaemon(
      { home, name: "test", runtime: "simulated" },
      { ...env, onListening: (info) => told.push(info) },
    );
    running.add(daemon);
    expect(told).toEqual([daemon.info]);
    const { kubeconfig, daemonFile, lock, store } = daemon.paths;
    for (const file of [kubeconfig, daemonFile, lock, store]) expect(statSync(file).mode & 0o777, file).toBe(0o600);
  });
});

test("after a crash it says that it listens only when what is left is adopted", async () => {
  const told: string[] = [];
  const log = { ...silentLogger, info: (_fields: unknown, text: string) => void told.push(text) };
  const start = async (): Promise<Daemon> => {
    const onListening = (): void => void told.push("listening");
    const daemon = await startDaemon({ home, name: "test", runtime: "simulated" }, { ...env, log, onListening });
    running.add(daemon);
    return daemon;
  };
  const first = await start();
  expect(told.splice(0)).toEqual(["listening", "the cluster is up"]);
  const { daemonFile } = first.paths;
  const left = readFileSync(daemonFile);
  await first.detach();
  running.delete(first);
  // A killed daemon could not have removed it.
  writeFileSync(daemonFile, left);
  told.splice(0);
  await start();
  expect(told).toEqual(["the cluster is up", "listening"]);
});

describe("nothing half-made stays behind", () => {
  test("a second daemon of the same name is refused, and the first goes on", async () => {
    const first = await start();
    await expect(startDaemon({ home, name: "test" }, env)).rejects.toMatchObject({ code: "DAEMON_RUNNING" });
    expect(existsSync(first.paths.daemonFile)).toBe(true);
    expect((await first.client.list(resources.nodes)).items).toHaveLength(1);
  });

  test("a port that is taken is said, and the next start finds everything free", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((ready) => taken.once("listening", ready));
    const { port } = taken.address() as { port: number };
    await expect(start({ port })).rejects.toThrow(new RegExp(`port ${port} .*--port`));
    taken.close();
    expect((await start({ port })).info.port).toBe(port);
  });

  test("two clusters run side by side, each in addresses of its own", async () => {
    const [one, two] = [await start({ name: "one" }), await start({ name: "two" })];
    expect(one.info.slot).not.toBe(two.info.slot);
    expect(one.info.port).not.toBe(two.info.port);
  });
});
