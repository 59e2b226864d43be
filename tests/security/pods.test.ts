// What runs in pods against the agent: processes that hide, that do not end, that are killed from outside, and words that a
// shell would obey. Nothing is left over, and nothing is obeyed.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isReady, type PodView, processesOf, Session } from "../support/session.ts";

const session = new Session();
beforeAll(async () => {
  const { code, stdout, stderr } = await session.run("up", "--detach");
  expect(code, stdout + stderr).toBe(0);
});
afterAll(() => session.close());

async function run(name: string, container: object, spec: object = {}): Promise<void> {
  const path = join(session.home, `${name}.json`);
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name },
    spec: { terminationGracePeriodSeconds: 1, containers: [{ name: "main", image: "busybox", ...container }], ...spec },
  };
  writeFileSync(path, JSON.stringify(pod));
  await session.kubectl("apply", "-f", path);
}
const pod = (name: string): Promise<PodView> => session.get<PodView>("pod", name);
const shell = (script: string): object => ({ command: ["sh", "-c", script] });
const processes = (uid: string): number[] => processesOf(uid, readdirSync("/proc"));

test("arguments and values are passed as they are: no shell sees them", async () => {
  const trace = join(session.home, "obeyed");
  const words = ["$HOME", `\`touch ${trace}\``, `; touch ${trace}`, "$(NOBODY)", "two\nlines", "$$(A)"];
  await run(
    "words",
    { command: ["printf", "[%s]", ...words, "$(A)"], env: [{ name: "A", value: `$(touch ${trace})\n'"` }] },
    { restartPolicy: "Never" },
  );
  await expect.poll(async () => (await pod("words")).status.phase).toBe("Succeeded");
  expect(await session.kubectl("logs", "words")).toContain(
    `[$HOME][\`touch ${trace}\`][; touch ${trace}][$(NOBODY)][two\nlines][$(A)][$(touch ${trace})\n'"]`,
  );
  expect(existsSync(trace)).toBe(false);
});

test("children that leave the group, ignore TERM and close their output end with their pod", async () => {
  const script =
    "trap '' TERM; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do setsid sleep 600 & done; " +
    "(setsid sh -c 'sleep 600 &' &); exec 1>&- 2>&-; touch \"$READY\"; while :; do sleep 600; done";
  const ready = join(session.home, "forked");
  await run("hydra", { ...shell(script), env: [{ name: "READY", value: ready }] });
  await expect.poll(() => existsSync(ready)).toBe(true);
  const { uid } = (await pod("hydra")).metadata;
  expect(processes(uid).length).toBeGreaterThan(20);
  await session.kubectl("delete", "pod", "hydra");
  await expect.poll(() => processes(uid)).toEqual([]);
});

describe("a kill -9 from outside", () => {
  const stat = (pid: number): string[] => readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)!.split(" ");
  /** The supervisor leads the group. */
  const parts = (uid: string): { supervisor: number; main: number } => {
    const all = processes(uid);
    return {
      supervisor: all.find((pid) => stat(pid)[2] === String(pid))!,
      main: all.find((pid) => stat(pid)[2] !== String(pid))!,
    };
  };

  test.each(["main", "supervisor", "group"] as const)(
    "of the %s is a restart, and leaves one process",
    async (which) => {
      const name = `victim-${which}`;
      await run(name, { command: ["sleep", "600"] });
      await expect.poll(async () => isReady(await pod(name))).toBe(true);
      const { uid } = (await pod(name)).metadata;
      const { supervisor, main } = parts(uid);
      process.kill(which === "main" ? main : which === "supervisor" ? supervisor : -supervisor, "SIGKILL");
      await expect
        .poll(async () => (await pod(name)).status.containerStatuses?.[0])
        .toMatchObject({ restartCount: 1, ready: true });
      const now = parts(uid);
      expect(processes(uid)).toHaveLength(2);
      expect([supervisor, main]).not.toContain(now.main);
      await session.kubectl("delete", "pod", name, "--now");
      await expect.poll(() => processes(uid)).toEqual([]);
    },
  );
});

describe("a pod that reaches for the cluster's own files", () => {
  test("by hostPath gets none, and nothing is made there", async () => {
    const inside = join(session.home, "default", "pki", "made-by-a-pod");
    for (const [name, hostPath] of [
      ["keys", { path: join(session.home, "default", "pki") }],
      ["maker", { path: inside, type: "DirectoryOrCreate" }],
    ] as const) {
      await run(
        name,
        { command: ["sleep", "600"], volumeMounts: [{ name: "v", mountPath: "/v" }] },
        { volumes: [{ name: "v", hostPath }] },
      );
      await expect
        .poll(async () => (await pod(name)).status.containerStatuses?.[0]?.state.waiting?.message)
        .toMatch(/the cluster's own state/);
      await session.kubectl("delete", "pod", name, "--now");
    }
    expect(existsSync(inside)).toBe(false);
  });
});
