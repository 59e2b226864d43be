// The node agent: one worker per pod that is bound to this node. It finds what an earlier agent left running, adopts what still
// belongs to a pod, and ends what belongs to none.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { asError } from "@wherry/core";
import { type Pod, resources, type Service, type Stored } from "@wherry/kube";
import { createEventRecorder, createInformer } from "@wherry/kube/controller";
import { AgentLogs } from "./logs/agent-logs.ts";
import { LogPump } from "./logs/log-pump.ts";
import { nodeResources, registerNode } from "./node-registration.ts";
import type { PodContext } from "./pod/context.ts";
import { Folders } from "./pod/folders.ts";
import { type PodRecord, recordFile, removeFolders } from "./pod/pod-setup.ts";
import { PodWorker } from "./pod/worker.ts";
import { probeRunner } from "./probes/handlers.ts";
import { killMarked } from "./runtime/escaped.ts";
import type { Runtime } from "./runtime/types.ts";
import type { Agent, AgentOptions } from "./types.ts";

/** Chooses a pod's runtime against the node's default. */
const runtimeAnnotation = "wherry.dev/runtime";

/** Resolves when the node is registered and what was left of it is adopted. Aborting the signal is `detach`. */
export async function startAgent(options: AgentOptions, signal: AbortSignal): Promise<Agent> {
  const agent = new NodeAgent(options);
  await agent.start(signal);
  return agent;
}

/** What containers inherit of this process' environment: nothing but what a program needs to find its way. */
export function baseEnvironment(env: NodeJS.ProcessEnv): Readonly<Record<string, string>> {
  const base: Record<string, string> = {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: "/",
  };
  for (const name of ["PATH", "HOME", "LANG", "TZ"]) {
    const value = env[name];
    if (value !== undefined && value !== "") base[name] = value;
  }
  return base;
}

class NodeAgent implements Agent {
  readonly logs: AgentLogs;
  readonly #options: AgentOptions;
  readonly #context: PodContext;
  readonly #workers = new Map<string, PodWorker>();
  readonly #stop = new AbortController();
  #adopted = 0;
  #adopting = true;

  constructor(options: AgentOptions) {
    this.#options = options;
    const { client, clock, random, log, node } = options;
    const services = options.informers.for(resources.services);
    this.#context = {
      client,
      clock,
      log: log.child({ node: node.name }),
      events: createEventRecorder(client, { component: "kubelet", host: node.name, clock, random, log }),
      images: options.images,
      node: { name: node.name, ip: node.ip, allocatable: nodeResources(options.runtime) },
      addresses: options.addresses,
      folders: new Folders(options.stateFolder),
      probe: options.probe ?? probeRunner(clock),
      rootCa: options.rootCa,
      baseEnv: options.baseEnv,
      hostsFile: options.hostsFile,
      stateFolder: options.stateFolder,
      services: async (): Promise<readonly Stored<Service>[]> =>
        services.synced ? services.list() : (await client.list(resources.services)).items,
      runtimeFor: (pod) => this.#runtimeFor(pod),
    };
    this.logs = new AgentLogs(this.#context, (uid) => this.#workers.get(uid));
  }

  get adopted(): number {
    return this.#adopted;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { client, node } = this.#options;
    signal.addEventListener("abort", () => void this.detach(), { once: true });
    const pods = createInformer(client, resources.pods, this.#options, { fieldSelector: `spec.nodeName=${node.name}` });
    pods.onChange((next, previous) => this.#changed(next, previous));
    this.#watchReferences();
    await Promise.all([registerNode(this.#options, this.#stop.signal), pods.start(this.#stop.signal)]);
    if (!pods.synced) return;
    await this.#adopt(pods.list());
    this.#adopting = false;
    // What changed meanwhile: the list says it all.
    const here = new Set(pods.list().map((pod) => pod.metadata.uid));
    for (const [uid, worker] of this.#workers) if (!here.has(uid)) worker.removed();
    for (const pod of pods.list()) this.#changed(pod, undefined);
    for (const worker of this.#workers.values()) worker.wake();
  }

  imagesChanged(): void {
    for (const worker of this.#workers.values()) worker.refresh();
  }

  async stopAll(graceMsMax: number = Number.POSITIVE_INFINITY): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#workers.values()].map((worker) => worker.stop(graceMsMax)));
    this.#workers.clear();
    await this.#context.events.flush();
  }

  async detach(): Promise<void> {
    this.#stop.abort();
    for (const worker of this.#workers.values()) worker.detach();
    this.#workers.clear();
    await Promise.resolve();
  }

  #runtimeFor(pod: Pod): Runtime {
    const { runtimes, runtime } = this.#options;
    const wanted = pod.metadata?.annotations?.[runtimeAnnotation] ?? runtime;
    const found =
      runtimes.find((candidate) => candidate.name === wanted) ??
      runtimes.find((candidate) => candidate.name === runtime);
    if (found === undefined) throw new TypeError(`the node's runtime ${runtime} must be among its runtimes`);
    return found;
  }

  #changed(next: Stored<Pod> | undefined, previous: Stored<Pod> | undefined): void {
    if (this.#adopting || this.#stop.signal.aborted) return;
    // The same name may have become another pod.
    if (previous !== undefined && previous.metadata.uid !== next?.metadata.uid)
      this.#workers.get(previous.metadata.uid)?.removed();
    if (next === undefined) return;
    const known = this.#workers.get(next.metadata.uid);
    if (known !== undefined) known.update(next);
    else this.#add(next).start();
  }

  #add(pod: Stored<Pod>): PodWorker {
    const { uid } = pod.metadata;
    const worker = new PodWorker(this.#context, pod, () => this.#workers.delete(uid));
    this.#workers.set(uid, worker);
    return worker;
  }

  #watchReferences(): void {
    const refresh = (kind: "ConfigMap" | "Secret", namespace: string | undefined, name: string): void => {
      for (const worker of this.#workers.values())
        if (worker.pod.metadata.namespace === namespace) worker.refresh(kind, name);
    };
    this.#options.informers.for(resources.configmaps).onChange((next, previous) => {
      const object = next ?? previous;
      if (object !== undefined) refresh("ConfigMap", object.metadata.namespace, object.metadata.name);
    });
    this.#options.informers.for(resources.secrets).onChange((next, previous) => {
      const object = next ?? previous;
      if (object !== undefined) refresh("Secret", object.metadata.namespace, object.metadata.name);
    });
  }

  /** What is on disk and running, against what the API says there should be. */
  async #adopt(pods: readonly Stored<Pod>[]): Promise<void> {
    const left = await this.#leftBehind();
    const byUid = new Map(pods.map((pod) => [pod.metadata.uid, pod]));
    await Promise.all(
      pods.map(async (pod) => {
        const record = left.get(pod.metadata.uid);
        // Without a record it is simulated, or its folder is lost: then nothing of it runs, whatever its status says.
        if (record === undefined && pod.status?.phase !== "Running") return;
        const running = await this.#add(pod).adopt(record?.podIP);
        this.#adopted += running;
      }),
    );
    await Promise.all(
      [...left.values()].filter((record) => !byUid.has(record.uid)).map((record) => this.#sweep(record)),
    );
  }

  async #leftBehind(): Promise<ReadonlyMap<string, PodRecord>> {
    const { folders, node } = this.#context;
    const left = new Map<string, PodRecord>();
    for (const uid of await readdir(folders.pods).catch(() => [])) {
      const record = await readFile(join(folders.pods, uid, recordFile), "utf8").then(parseRecord, () => undefined);
      if (record !== undefined && record.uid === uid && record.node === node.name) left.set(uid, record);
    }
    return left;
  }

  /** A pod that nobody knows any more: its processes end, its folders go. */
  async #sweep(record: PodRecord): Promise<void> {
    const { folders, log } = this.#context;
    const runtime = this.#options.runtimes.find((candidate) => candidate.name === "process");
    log.info(
      { pod: `${record.namespace}/${record.name}`, uid: record.uid },
      "ending what is left of a pod that was deleted",
    );
    try {
      const root = join(folders.pod(record.uid), "containers");
      for (const container of await readdir(root).catch(() => []))
        for (const attempt of await readdir(join(root, container))) {
          const id = `${record.uid}/${container}/${attempt}`;
          const found = await runtime?.adopt(id, join(root, container, attempt));
          found?.killAll();
          await found?.exited;
          await killMarked(id);
        }
      const { uid, name, namespace, labels = {} } = record;
      const pod = { metadata: { uid, name, namespace, labels } };
      await this.#takeLastWords(pod, root);
      await removeFolders(this.#context, pod);
    } catch (error) {
      log.warn({ err: asError(error), uid: record.uid }, "what is left of a deleted pod could not be cleaned up");
    }
  }

  /** What its containers have written since the daemon died goes into their logs, which are kept. */
  async #takeLastWords(pod: Pod, root: string): Promise<void> {
    const { folders, clock, log } = this.#context;
    for (const container of await readdir(root).catch(() => []))
      for (const attempt of await readdir(join(root, container))) {
        const file = folders.log(pod, container, Number(attempt));
        const pump = new LogPump({ folder: join(root, container, attempt), file, clock, log });
        await pump.start();
        await pump.end();
      }
  }
}

function parseRecord(text: string): PodRecord | undefined {
  try {
    const value = JSON.parse(text) as Partial<PodRecord> | null;
    const { uid, name, namespace, node, podIP } = value ?? {};
    if ([uid, name, namespace, node, podIP].every((field) => typeof field === "string")) return value as PodRecord;
  } catch {
    // Half written when the daemon died.
  }
  return undefined;
}
