// `kubectl logs` for the pods of this node, also of containers that have crashed.
import { stat } from "node:fs/promises";
import { badRequest, notFound, resources } from "@wherry/kube";
import type { LogOptions, PodLogs } from "../../api/types.ts";
import type { PodContext } from "../pod/context.ts";
import type { PodWorker } from "../pod/worker.ts";
import { readLog } from "./read-log.ts";

type PodName = Parameters<PodLogs["read"]>[0];

export class AgentLogs implements PodLogs {
  readonly #context: PodContext;
  readonly #workerOf: (uid: string) => PodWorker | undefined;

  constructor(context: PodContext, workerOf: (uid: string) => PodWorker | undefined) {
    this.#context = context;
    this.#workerOf = workerOf;
  }

  /** Does this agent have the pod? The daemon asks the right one of several. */
  has(uid: string): boolean {
    return this.#workerOf(uid) !== undefined;
  }

  async read(pod: PodName, container: string, options: LogOptions): Promise<AsyncIterable<Uint8Array | string>> {
    const worker = this.#workerOf(pod.uid);
    if (worker === undefined) throw notFound(resources.pods, pod.name);
    const runner = worker.runners.find((candidate) => candidate.record.name === container);
    if (runner === undefined) throw badRequest(`container ${container} is not valid for pod ${pod.name}`);
    const { record } = runner;
    // A container that waits for its next start shows the log of the instance before, as kubelet does.
    const attempt = options.previous ? record.attempt - 1 : record.attempt;
    if (record.attempt < 0) {
      const reason =
        record.state.phase === "waiting" ? (record.state.reason ?? "ContainerCreating") : "ContainerCreating";
      const more =
        record.state.phase === "waiting" && record.state.message !== undefined ? `: ${record.state.message}` : "";
      throw badRequest(`container "${container}" in pod "${pod.name}" is waiting to start: ${reason}${more}`);
    }
    const file = this.#context.folders.log(worker.pod, container, attempt);
    if (options.previous && !(await exists(file)))
      throw badRequest(`previous terminated container "${container}" in pod "${pod.name}" not found`);
    const pump = options.previous ? undefined : runner.pump;
    await pump?.flush();
    return readLog({ file, pump, options, nowMs: this.#context.clock.now() });
  }
}

async function exists(file: string): Promise<boolean> {
  return await stat(file).then(
    () => true,
    () => false,
  );
}
