// The daemon can be killed at any moment: pods live on, serve, and are adopted by the next one (DESIGN D11).
import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isReady, type PodView, Session } from "../support/session.ts";

const session = new Session();
const pods = async (): Promise<PodView[]> => (await session.get<{ items: PodView[] }>("pods")).items;
const facts = (views: PodView[]): unknown =>
  views.map((pod) => [pod.metadata.uid, pod.status.containerStatuses?.[0]?.restartCount, pod.status.podIP]).sort();

beforeAll(async () => {
  const { code, stderr, stdout } = await session.run("up", "examples/echo", "--replicas", "2", "--detach");
  expect(code, stdout + stderr).toBe(0);
});
afterAll(() => session.close());

const answers = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port }, () => {
      socket.destroy();
      resolve(true);
    }).on("error", () => resolve(false));
  });

test("pods go on serving while no daemon runs, and the next `wherry up` adopts them and reconciles what changed", async () => {
  const before = await pods();
  expect(before).toHaveLength(2);
  await session.kubectl("create", "configmap", "acknowledged", "--from-literal=a=b");
  const { pid } = await session.status();
  process.kill(pid, "SIGKILL");
  for (const pod of before) expect(await answers(pod.status.podIP!, 5555)).toBe(true);

  const again = await session.run("up", "--detach");
  expect(again.code, again.stdout + again.stderr).toBe(0);
  expect(facts(await pods())).toEqual(facts(before));
  expect((await pods()).every(isReady)).toBe(true);
  expect(await session.kubectl("get", "configmap", "acknowledged", "-o", "jsonpath={.data.a}")).toBe("b");

  // Dead again, one pod dies meanwhile: the next daemon notices, and starts it once more.
  process.kill((await session.status()).pid, "SIGKILL");
  const { readdirSync } = await import("node:fs");
  const { processesOf } = await import("../support/session.ts");
  process.kill(processesOf(before[0]!.metadata.uid, readdirSync("/proc")).at(-1)!, "SIGKILL");
  expect((await session.run("up", "--detach")).code).toBe(0);
  await expect
    .poll(
      async () =>
        (await pods()).find((pod) => pod.metadata.uid === before[0]!.metadata.uid)?.status.containerStatuses?.[0],
    )
    .toMatchObject({ restartCount: 1, ready: true });
  expect((await session.run("call", "echo", "echo", "still here")).stdout).toBe("still here\n");
});
