// What the tests of pods of real processes share: a shell as a container, and what is to be found out about it. For tests only.
import { type Container, type ContainerState, type Pod, resources } from "@wherry/kube";
import { eventually } from "../network/eventually.suite.ts";
import { statOf } from "./runtime/supervisor.ts";
import { type KeptLog, readKeptLog } from "./logs/kept-logs.ts";
import type { TestNode } from "./test-node.suite.ts";

/** Prints its pid. `$$` is Kubernetes' own escape for `$`. */
export const forever = "echo $$$$; exec sleep 300";

export const shell = (script: string, more?: Partial<Container>): Container => ({
  name: "main",
  image: "sh",
  args: [script],
  ...more,
});

export const isRunning = (pid: number): boolean => !["Z", "X", undefined].includes(statOf(pid)?.state);

export const stateOf = (pod: Pod, index = 0): ContainerState | undefined =>
  pod.status?.containerStatuses?.[index]?.state;

export const remove = async (node: TestNode, name: string, gracePeriodSeconds?: number): Promise<void> => {
  await node.client.delete(
    resources.pods,
    { name, namespace: "default" },
    gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds },
  );
};

/** The pid that a container's script printed. */
export const pidOf = async (node: TestNode, name: string): Promise<number> => {
  await eventually(async () => await node.log(name)).toMatch(/^\d+\n/);
  return Number.parseInt(await node.log(name), 10);
};

/** What the first run of a container of a pod that is gone has logged. */
export const keptText = async (folder: string, kept: KeptLog): Promise<string> => {
  const container = kept.containers[0]?.name ?? "";
  let text = "";
  for await (const chunk of readKeptLog(folder, kept, { container, run: 0, signal: new AbortController().signal }))
    text += Buffer.from(chunk).toString();
  return text;
};
