// Writes a pod's status, one write at a time, only when it differs from what is stored. It never changes anything but the status,
// and never writes to another pod of the same name.
import { deepEqual, type Pod, type PodStatus, resources, type Stored, StatusError } from "@wherry/kube";
import type { KubeClient } from "@wherry/kube/client";

/** Tries of one write when others write to the same pod. */
const conflictTriesMax = 5;

export class StatusWriter {
  readonly #client: KubeClient;
  #pod: Stored<Pod>;

  constructor(client: KubeClient, pod: Stored<Pod>) {
    this.#client = client;
    this.#pod = pod;
  }

  /** The newest version seen, from a watch or from an own write. */
  get pod(): Stored<Pod> {
    return this.#pod;
  }

  /** False when it is older than what is known. */
  accept(pod: Stored<Pod>): boolean {
    if (pod.metadata.uid !== this.#pod.metadata.uid) return false;
    if (!isNewer(pod.metadata.resourceVersion, this.#pod.metadata.resourceVersion)) return false;
    this.#pod = pod;
    return true;
  }

  async write(compute: (pod: Stored<Pod>) => PodStatus): Promise<"written" | "gone"> {
    for (let attempt = 1; ; attempt++) {
      const pod = this.#pod;
      const status = compute(pod);
      if (deepEqual(status, pod.status ?? {})) return "written";
      try {
        this.accept(await this.#client.updateStatus(resources.pods, { ...pod, status }));
        return "written";
      } catch (error) {
        if (isNotFound(error)) return "gone";
        if (!(error instanceof StatusError) || error.reason !== "Conflict" || attempt >= conflictTriesMax) throw error;
        if ((await this.#reload()) === "gone") return "gone";
      }
    }
  }

  /** The node is done with the pod: its object may go. With finalizers it stays. */
  async remove(): Promise<void> {
    const { name, namespace, uid } = this.#pod.metadata;
    try {
      const target = namespace === undefined ? { name } : { name, namespace };
      await this.#client.delete(resources.pods, target, { gracePeriodSeconds: 0, preconditions: { uid } });
    } catch (error) {
      if (isNotFound(error) || (error instanceof StatusError && error.reason === "Conflict")) return;
      throw error;
    }
  }

  async #reload(): Promise<"here" | "gone"> {
    const { name, namespace, uid } = this.#pod.metadata;
    try {
      const pod = await this.#client.get(resources.pods, name, namespace);
      if (pod.metadata.uid !== uid) return "gone";
      this.#pod = pod;
      return "here";
    } catch (error) {
      if (isNotFound(error)) return "gone";
      throw error;
    }
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof StatusError && error.reason === "NotFound";
}

/** Resource versions are decimals of up to 64 bits (kubernetes-behaviour 6.6). */
function isNewer(a: string, b: string): boolean {
  return a.length === b.length ? a > b : a.length > b.length;
}
