// What a pod needs before its first container starts: an address, a folder, volumes. It is set up once, and refreshed while the pod
// runs. It starts and stops nothing.
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { asError, type Logger } from "@wherry/core";
import type { Pod, Stored } from "@wherry/kube";
import { configError } from "../errors.ts";
import { endedInstancesKept, logFilesKept } from "../limits.ts";
import { keepLogs } from "../logs/kept-logs.ts";
import type { Runtime } from "../runtime/types.ts";
import { PodVolumes } from "../volumes/volumes.ts";
import type { PodContext } from "./context.ts";
import { PodTokens, referencesOf } from "./references.ts";

export interface Prepared {
  readonly podIP: string;
  readonly volumes: PodVolumes;
}

/** In a pod's folder. */
export const recordFile = "pod.json";

/** What is written to it, so that the next agent knows whose processes these are. */
export interface PodRecord {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly node: string;
  readonly podIP: string;
  /** As they were when it started: its log is found by them when it is gone. */
  readonly labels?: Readonly<Record<string, string>>;
}

export class PodSetup {
  readonly #context: PodContext;
  readonly #runtime: Runtime;
  readonly #pod: () => Stored<Pod>;
  readonly #log: Logger;
  readonly #volumes: PodVolumes;
  readonly #tokens: PodTokens;
  #prepared: Promise<Prepared> | undefined;
  #podIP: string | undefined;

  constructor(context: PodContext, runtime: Runtime, pod: () => Stored<Pod>, log: Logger) {
    this.#context = context;
    this.#runtime = runtime;
    this.#pod = pod;
    this.#log = log;
    const first = pod();
    this.#tokens = new PodTokens(context.client, context.clock, first);
    this.#volumes = new PodVolumes({
      pod: first,
      folder: context.folders.volumes(first.metadata.uid),
      forbidden: context.folders.root,
      rootCa: context.rootCa,
      references: referencesOf(context.client, first.metadata.namespace ?? ""),
      token: async (audience, lifetime) => await this.#tokens.get(audience, lifetime),
      facts: () => ({
        pod: pod(),
        podIP: this.#podIP ?? "",
        hostIP: context.node.ip,
        allocatable: context.node.allocatable,
      }),
    });
  }

  /** Undefined until it has one, or when the node has none left. */
  get podIP(): string | undefined {
    return this.#podIP;
  }

  /** When a token in a volume must be renewed. */
  get refreshAtMs(): number {
    return this.#tokens.renewAtMs;
  }

  /** Idempotent. */
  takeAddress(preferred?: string): void {
    const { spec, metadata } = this.#pod();
    const { node, addresses } = this.#context;
    this.#podIP ??= spec?.hostNetwork === true ? node.ip : addresses.take(metadata.uid, preferred);
  }

  releaseAddress(): void {
    this.#context.addresses.release(this.#pod().metadata.uid);
  }

  /** @throws WherryError `AGENT_CONTAINER_CONFIG`; the next call tries again */
  prepare(): Promise<Prepared> {
    this.#prepared ??= this.#prepare().catch((error: unknown) => {
      this.#prepared = undefined;
      throw error;
    });
    return this.#prepared;
  }

  /** Does a volume of the running pod show this object? */
  shows(kind: "ConfigMap" | "Secret", name: string): boolean {
    return this.#prepared !== undefined && this.#volumes.shows(kind, name);
  }

  /** Labels and annotations may have changed, and a volume shows them. */
  get showsPod(): boolean {
    return this.#prepared !== undefined && this.#volumes.showsPod;
  }

  async refresh(): Promise<void> {
    if (this.#runtime.name === "simulated") return;
    await this.#volumes
      .setUp()
      .catch((error: unknown) => this.#log.warn({ err: asError(error) }, "the pod's volumes could not be refreshed"));
  }

  /** The number of a container's newest instance; undefined when it never had one. */
  async newestAttempt(container: string): Promise<number | undefined> {
    const { status, metadata } = this.#pod();
    if (this.#runtime.name === "simulated") {
      const all = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
      const known = all.find((candidate) => candidate.name === container);
      return known?.state?.running === undefined ? undefined : known.restartCount;
    }
    const found = await readdir(this.#context.folders.container(metadata.uid, container)).catch(() => []);
    const attempts = found.map(Number).filter(Number.isInteger);
    return attempts.length === 0 ? undefined : Math.max(...attempts);
  }

  /** Gives back the address and removes what is on disk. */
  async remove(): Promise<void> {
    this.releaseAddress();
    if (this.#runtime.name === "process") await removeFolders(this.#context, this.#pod());
  }

  async #prepare(): Promise<Prepared> {
    this.takeAddress();
    const podIP = this.#podIP;
    if (podIP === undefined) throw configError("no address is left on this node: delete pods, or add nodes");
    if (this.#runtime.name === "simulated") return { podIP, volumes: this.#volumes };
    const { uid, name, namespace = "", labels = {} } = this.#pod().metadata;
    const folder = this.#context.folders.pod(uid);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const record: PodRecord = { uid, name, namespace, node: this.#context.node.name, podIP, labels };
    await Promise.all([
      writeFile(join(folder, recordFile), JSON.stringify(record), { mode: 0o600 }),
      this.#volumes.setUp(),
    ]);
    return { podIP, volumes: this.#volumes };
  }
}

/** Removes what the agent keeps of a pod; links in its volumes, never what they point to. Its log is moved aside. */
export async function removeFolders({ folders, clock, log }: PodContext, pod: Pod): Promise<void> {
  const all = { recursive: true, force: true, maxRetries: 3 } as const;
  const { uid = "" } = pod.metadata ?? {};
  // First: should this end in between, the next agent finds the pod's folder, and by it the log.
  await keepLogs(folders, pod, clock.now()).catch(async (error: unknown) => {
    log.warn({ err: asError(error), uid }, "the log of a pod that is gone could not be kept");
    await rm(folders.logs(pod), all);
  });
  // What says whose folder it is goes last.
  const folder = folders.pod(uid);
  const others = (await readdir(folder).catch(() => [])).filter((name) => name !== recordFile);
  await Promise.all(others.map((name) => rm(join(folder, name), all)));
  await rm(folder, all);
}

/** Removes what is older than the newest ended instance, whose exit code and log are kept. */
export async function pruneInstances(
  { folders }: PodContext,
  pod: Pod,
  container: string,
  attempt: number,
): Promise<void> {
  const old = attempt - endedInstancesKept - 1;
  if (old < 0) return;
  const log = folders.log(pod, container, old);
  const logs = [log, ...Array.from({ length: logFilesKept }, (_unused, index) => `${log}.${index + 1}`)];
  const folder = folders.instance(pod.metadata?.uid ?? "", container, old);
  await Promise.all([rm(folder, { recursive: true, force: true }), ...logs.map((file) => rm(file, { force: true }))]);
}
