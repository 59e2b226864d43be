// Starts and stops that get in each other's way: two at once, Ctrl-C at any moment, a disk that is full. One cluster or none
// is there afterwards, never half of one.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { kubectlPath } from "../../scripts/kubectl.mjs";
import { type PodView, processesOf, Session } from "../support/session.ts";

const sessions: Session[] = [];
const newSession = (): Session => {
  const session = new Session();
  sessions.push(session);
  return session;
};
afterAll(async () => {
  for (const session of sessions) await session.close();
});
const left = (home: string): number[] => processesOf(home, readdirSync("/proc"));

test("of two starts at the same instant one wins, and the other says so", async () => {
  const session = newSession();
  const both = await Promise.all([session.run("up", "--detach"), session.run("up", "--detach")]);
  const codes = both.map(({ code }) => code).sort();
  // The second may have come late enough to find the first one's cluster, and apply to it.
  expect(
    [
      [0, 0],
      [0, 3],
    ],
    JSON.stringify(both),
  ).toContainEqual(codes);
  for (const { code, stderr } of both) if (code === 3) expect(stderr).toMatch(/already running/);
  expect(await session.kubectl("get", "namespace", "default", "-o", "name")).toBe("namespace/default\n");
  expect((await session.run("down", "--purge")).code).toBe(0);
  expect(left(session.home)).toEqual([]);
});

test.each([0, 1, 2, 3, 4])("Ctrl-C during a start leaves nothing running (moment %i)", async (moment) => {
  const session = newSession();
  const up = session.wherry(["up", "examples/echo"]);
  // Moments of the start itself, not of the clock.
  const folder = join(session.home, "default");
  const signs = [
    folder,
    join(folder, "store.db"),
    join(folder, "kubeconfig"),
    join(folder, "daemon.json"),
    join(folder, "pods"),
  ];
  await expect.poll(() => existsSync(signs[moment]!) || up.child.exitCode !== null, { interval: 1 }).toBe(true);
  const { code, stdout, stderr } = await up.stop("SIGINT");
  // Null: before anything was begun the signal simply ends it.
  expect([0, 130, null], stdout + stderr).toContain(code);
  await expect.poll(() => left(session.home)).toEqual([]);
  expect((await session.run("status")).code).not.toBe(0);
});

test.each([
  ["gone", (file: string) => rmSync(file)],
  ["damaged", (file: string) => writeFileSync(file, "{")],
] as const)("`wherry down` ends the pods of a killed daemon also when its daemon.json is %s", async (_how, spoil) => {
  const session = newSession();
  expect((await session.run("up", "examples/echo", "--detach")).code).toBe(0);
  process.kill((await session.status()).pid, "SIGKILL");
  expect(left(session.home).length).toBeGreaterThan(0);
  spoil(join(session.home, "default", "daemon.json"));
  const { code, stdout, stderr } = await session.run("down", "--purge");
  expect(code, stdout + stderr).toBe(0);
  expect(left(session.home)).toEqual([]);
  expect(existsSync(join(session.home, "default"))).toBe(false);
});

test("`wherry down` ends the pods also when their daemon is killed while it drains them", async () => {
  const session = newSession();
  expect((await session.run("up", "examples/echo", "--replicas", "2", "--detach")).code).toBe(0);
  const { pid } = await session.status();
  const down = session.wherry(["down"]);
  await down.until(/draining and stopping/);
  process.kill(pid, "SIGKILL");
  const { code, stdout, stderr } = await down.finished;
  expect(code, stdout + stderr).toBe(0);
  expect(left(session.home)).toEqual([]);
  expect((await session.run("down")).stderr).toMatch(/no cluster/);
});

const mounted = (folder: string): boolean =>
  process.getuid?.() === 0 && spawnSync("mount", ["-t", "tmpfs", "-o", "size=6m", "tmpfs", folder]).status === 0;

describe("a disk that is full", () => {
  test("ends the daemon rather than lose a write; its pods live on, and are adopted when there is room", async (context) => {
    const disk = mkdtempSync(join(tmpdir(), "wherry-disk-"));
    if (!mounted(disk)) {
      rmSync(disk, { recursive: true });
      context.skip("needs root, to mount a small tmpfs");
    }
    const home = join(disk, "home");
    mkdirSync(home, { mode: 0o700 });
    const session = newSession();
    const env = { WHERRY_HOME: home };
    const kubectl = (...args: string[]): ReturnType<Session["run"]> =>
      session.start(kubectlPath(), args, { KUBECONFIG: join(home, "default", "kubeconfig") }).finished;
    try {
      const { code, stdout, stderr } = await session.wherry(["up", "examples/echo", "--detach"], env).finished;
      expect(code, stdout + stderr).toBe(0);
      const pods = async (): Promise<PodView[]> =>
        (JSON.parse((await kubectl("get", "pods", "-o", "json")).stdout) as { items: PodView[] }).items;
      const uid = (await pods())[0]!.metadata.uid;
      const before = processesOf(uid, readdirSync("/proc"));
      fill(join(disk, "filler"));
      const acknowledged: string[] = [];
      for (let count = 0; count < 50; count++) {
        const name = `written-${count}`;
        if ((await kubectl("create", "configmap", name, `--from-literal=a=${"x".repeat(20_000)}`)).code !== 0) break;
        acknowledged.push(name);
      }
      expect(acknowledged.length).toBeLessThan(50);
      await expect.poll(async () => (await session.wherry(["status"], env).finished).code).not.toBe(0);
      expect(processesOf(uid, readdirSync("/proc"))).toEqual(before);

      const refused = await session.wherry(["up", "--detach"], env).finished;
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(/ENOSPC|full/);
      rmSync(join(disk, "filler"));
      const again = await session.wherry(["up", "--detach"], env).finished;
      expect(again.code, again.stdout + again.stderr).toBe(0);
      for (const name of acknowledged) expect((await kubectl("get", "configmap", name)).code).toBe(0);
      expect(processesOf(uid, readdirSync("/proc"))).toEqual(before);
      expect((await pods()).map(({ metadata }) => metadata.uid)).toEqual([uid]);
    } finally {
      rmSync(join(disk, "filler"), { force: true });
      await session.wherry(["down", "--purge"], env).finished;
      spawnSync("umount", [disk]);
      rmSync(disk, { recursive: true, force: true });
    }
  });
});

/** Writes until nothing fits any more. */
function fill(path: string): void {
  for (let bytes = 65_536; bytes > 512; ) {
    try {
      writeFileSync(path, Buffer.alloc(bytes), { flag: "a" });
    } catch {
      bytes /= 2;
    }
  }
}
