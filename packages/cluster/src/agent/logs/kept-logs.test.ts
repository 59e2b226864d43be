// Logs outlive their pods: what was logged is found by the pod's labels after it is gone, within bounds.
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { keptLogBytesMax, keptLogPodsMax } from "../limits.ts";
import { Folders } from "../pod/folders.ts";
import { type KeptLog, keepLogs, keptLogs, readKeptLog } from "./kept-logs.ts";

let folders: Folders;
beforeEach(async () => {
  folders = new Folders(await mkdtemp(join(tmpdir(), "wherry-kept-")));
});
afterEach(async () => {
  await rm(folders.root, { recursive: true, force: true });
});

const time = "2026-01-01T00:00:00.000000000Z";
const labels = { app: "shop" };
const podOf = (number: number) => ({
  metadata: { namespace: "default", name: `shop-${number}`, uid: `uid-${number}`, labels },
});

/** @param runs what each run of the container logged */
async function logged(number: number, ...runs: readonly string[]): Promise<ReturnType<typeof podOf>> {
  const pod = podOf(number);
  await mkdir(join(folders.logs(pod), "main"), { recursive: true });
  for (const [run, text] of runs.entries())
    await writeFile(folders.log(pod, "main", run), text === "" ? "" : `${time} stdout F ${text}\n`);
  return pod;
}

async function textOf(log: KeptLog, run: number): Promise<string> {
  let text = "";
  const of = { container: "main", run, signal: new AbortController().signal };
  for await (const chunk of readKeptLog(folders.keptLogs, log, of)) text += Buffer.from(chunk).toString();
  return text;
}

it("a pod's runs are kept, with its labels and when it went", async () => {
  await keepLogs(folders, await logged(1, "first", "second"), Date.parse("2026-11-26T01:00:00Z"));
  const [kept, ...others] = await keptLogs(folders.keptLogs);
  expect(others).toEqual([]);
  expect(kept).toMatchObject({
    ...{ name: "shop-1", namespace: "default", uid: "uid-1", labels, goneAt: "2026-11-26T01:00:00.000Z" },
    containers: [{ name: "main", runs: [0, 1] }],
  });
  expect([await textOf(kept!, 0), await textOf(kept!, 1)]).toEqual(["first\n", "second\n"]);
  expect(await readdir(join(folders.root, "logs", "pods"))).toEqual([]);
});

it("one that logged nothing, or never had a log, leaves none", async () => {
  await keepLogs(folders, await logged(1, ""), 0);
  await keepLogs(folders, podOf(2), 0);
  expect(await keptLogs(folders.keptLogs)).toEqual([]);
  expect(await readdir(join(folders.root, "logs", "pods"))).toEqual([]);
});

it("the oldest give way: by their number", async () => {
  for (let number = 0; number < keptLogPodsMax + 3; number++)
    await keepLogs(folders, await logged(number, "text"), number);
  const names = (await keptLogs(folders.keptLogs)).map(({ name }) => name);
  expect(names).toHaveLength(keptLogPodsMax);
  expect([names[0], names.at(-1)]).toEqual(["shop-3", `shop-${keptLogPodsMax + 2}`]);
});

it("the oldest give way: by their size", async () => {
  await keepLogs(folders, await logged(1, "old"), 1);
  await keepLogs(folders, await logged(2, "new"), 2);
  // As large as all may be together, by what was written down of it.
  const [older] = (await readdir(folders.keptLogs)).sort();
  const about = { ...(await keptLogs(folders.keptLogs))[0], bytes: keptLogBytesMax };
  await writeFile(join(folders.keptLogs, older!, "pod.json"), JSON.stringify(about));
  await keepLogs(folders, await logged(3, "newest"), 3);
  expect((await keptLogs(folders.keptLogs)).map(({ name }) => name)).toEqual(["shop-2", "shop-3"]);
});

it("what is half there, after a crash, is not shown, and one that gave way while it was read is empty", async () => {
  await keepLogs(folders, await logged(1, "text"), 1);
  await mkdir(join(folders.keptLogs, "000000000000002_uid-2"));
  await writeFile(join(folders.keptLogs, "000000000000002_uid-2", "pod.json"), "{");
  const kept = await keptLogs(folders.keptLogs);
  expect(kept.map(({ name }) => name)).toEqual(["shop-1"]);
  await rm(folders.keptLogs, { recursive: true });
  expect(await textOf(kept[0]!, 0)).toBe("");
});
