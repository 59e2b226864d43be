// An agent may go at any moment, between any two steps of its work: whatever was half done, in the end every pod has exactly one
// process, and nobody else has one.
import { readdirSync, readFileSync } from "node:fs";
import { SeededRandom } from "@wherry/core/testing";
import { resources } from "@wherry/kube";
import { expect, it } from "vitest";
import { eventually } from "../network/eventually.suite.ts";
import { isReady, testNode } from "./test-node.suite.ts";

const rounds = 8;
const seed = Number(process.env["WHERRY_SEED"] ?? Math.floor(performance.now() * 1000) % 100_000);

/** The pods whose containers have a process, one entry a process. */
function podsWithProcess(uids: ReadonlySet<string>): readonly string[] {
  const found: string[] = [];
  for (const pid of readdirSync("/proc")) {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith("sleep\0")) continue;
      const uid = /\0WHERRY_CONTAINER=([^/]+)\//.exec(`\0${readFileSync(`/proc/${pid}/environ`, "latin1")}`)?.[1];
      if (uid !== undefined && uids.has(uid)) found.push(uid);
    } catch {
      // Not a process, or it has just ended.
    }
  }
  return found.sort();
}

it(`leaves each pod one process, whenever the agent goes (WHERRY_SEED=${seed})`, async () => {
  const random = new SeededRandom(seed);
  const node = await testNode();
  const created = new Set<string>();
  try {
    const target = (round: number, index: number) => ({ name: `p${round}-${index}`, namespace: "default" });
    const writes: Promise<unknown>[] = [];
    for (let round = 0; round < rounds; round++) {
      for (let index = 0; index < 4; index++) {
        const made = node.createPod(`p${round}-${index}`, {
          containers: [{ name: "main", image: "sh", args: ["exec sleep 1000"] }],
        });
        writes.push(made.then((pod) => created.add(pod.metadata.uid)));
      }
      if (round > 0) {
        const force = { gracePeriodSeconds: 0 };
        writes.push(node.client.delete(resources.pods, target(round - 1, 0), force));
        writes.push(node.client.delete(resources.pods, target(round - 1, 1)));
      }
      for (let turns = random.below(60); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
      await node.agent.detach();
      await node.restart();
    }
    await Promise.all(writes);
    const pods = async () => (await node.client.list(resources.pods)).items;
    await eventually(async () => (await pods()).filter((pod) => !isReady(pod)).length).toBe(0);
    const here = await pods();
    expect(here).toHaveLength(2 * rounds + 2);
    expect(new Set(here.map((pod) => pod.status?.podIP)).size).toBe(here.length);
    await eventually(() => podsWithProcess(created)).toEqual(here.map((pod) => pod.metadata.uid).sort());
  } finally {
    await node.stop();
  }
  await eventually(() => podsWithProcess(created)).toEqual([]);
});
