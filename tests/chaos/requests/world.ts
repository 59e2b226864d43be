// A cluster with the ledger in it, callers that load it, and what can befall both. Everything goes through the real `wherry` and the
// Kubernetes API; processes are signalled by the pid that /proc shows for their pod.
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { clusterPaths, runningDaemon } from "@wherry/cluster/state";
import { type Deployment, type Pod, resources, type Stored } from "@wherry/kube";
import { createClient, httpTransport, type KubeClient, loadKubeconfig } from "@wherry/kube/client";
import { Session } from "../../support/session.ts";
import { ledgerCommand, type LedgerOptions, ledgerObjects } from "./manifest.ts";
import type { CallerSetup } from "./types.ts";

const program = (name: string): string => join(import.meta.dirname, name);
const namespace = "default";
const settleMsMax = 60_000;

/** Polls until it holds. */
export async function until(
  what: string,
  holds: () => Promise<boolean> | boolean,
  timeoutMs = settleMsMax,
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`waited ${timeoutMs / 1000} s in vain: ${what}`);
    await pause(50);
  }
}

export class World {
  readonly session: Session = new Session();
  readonly folder: string;
  #client: KubeClient | undefined;
  readonly #callers: Caller[] = [];

  constructor() {
    this.folder = join(this.session.home, "books");
    mkdirSync(this.folder);
  }

  /** Brings the cluster up with so many replicas, ready. */
  async up(options: Omit<LedgerOptions, "folder">): Promise<void> {
    const objects = ledgerObjects({ ...options, folder: this.folder });
    const manifest = join(this.session.home, "ledger.json");
    writeFileSync(manifest, JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }));
    const { code, stdout, stderr } = await this.session.run("up", manifest, "--detach");
    if (code !== 0) throw new Error(`wherry up: exit code ${code}\n${stdout}${stderr}`);
    this.#client = createClient(httpTransport(await loadKubeconfig(this.session.kubeconfig)));
  }

  /** After the daemon was killed: the next one adopts what runs. */
  async upAgain(): Promise<void> {
    const { code, stdout, stderr } = await this.session.run("up", "--detach");
    if (code !== 0) throw new Error(`wherry up: exit code ${code}\n${stdout}${stderr}`);
    this.#client = createClient(httpTransport(await loadKubeconfig(this.session.kubeconfig)));
  }

  get client(): KubeClient {
    if (this.#client === undefined) throw new Error("the cluster is not up");
    return this.#client;
  }

  get daemonPid(): number {
    const pid = runningDaemon(clusterPaths(this.session.home, "default"))?.pid;
    if (pid === undefined) throw new Error("no daemon runs");
    return pid;
  }

  /** Starts a process that calls until it is stopped, or `stopCallers`. */
  async startCaller(setup: Omit<CallerSetup, "file" | "name">): Promise<Pick<Caller, "stop">> {
    const name = `c${this.#callers.length + 1}`;
    const caller = new Caller(
      { ...setup, name, file: join(this.folder, `told-${name}.jsonl`) },
      this.session.env,
      this.session.kubeconfig,
    );
    this.#callers.push(caller);
    await caller.calling;
    return caller;
  }

  /** Every call has settled, or is overdue, when it resolves. @returns the callers' files. */
  async stopCallers(): Promise<readonly string[]> {
    await Promise.all(this.#callers.map((caller) => caller.stop()));
    return this.#callers.map(({ file }) => file);
  }

  async pods(): Promise<readonly Stored<Pod>[]> {
    return (await this.client.list(resources.pods, { namespace, labelSelector: "app=ledger" })).items;
  }

  async scale(replicas: number): Promise<void> {
    await this.client.patch(resources.deployments, { name: "ledger", namespace }, "merge", { spec: { replicas } });
  }

  /** As `kubectl rollout restart`. */
  async restart(mark: string): Promise<void> {
    const template = { metadata: { annotations: { restarted: mark } } };
    await this.client.patch(resources.deployments, { name: "ledger", namespace }, "merge", { spec: { template } });
  }

  /** Rolls out pods that run this command instead. */
  async setCommand(command: readonly string[] = ledgerCommand): Promise<void> {
    const template = { spec: { containers: [{ name: "ledger", command }] } };
    await this.client.patch(resources.deployments, { name: "ledger", namespace }, "strategic", { spec: { template } });
  }

  /**
   * A package of its own whose start script runs the ledger. `exec`, because npm passes SIGTERM on to the script's shell only, which
   * would die of it and leave the service without a word.
   */
  npmStart(): readonly string[] {
    const folder = join(this.session.home, "npm-start");
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      join(folder, "package.json"),
      JSON.stringify({ scripts: { start: `exec ${ledgerCommand.join(" ")}` } }),
    );
    return ["npm", "--prefix", folder, "start"];
  }

  async deletePod(name: string): Promise<void> {
    await this.client.delete(resources.pods, { name, namespace }).catch(() => undefined);
  }

  /** All replicas of the newest template are ready, and nothing else is there. */
  async settled(): Promise<void> {
    let state = "";
    await until("the deployment settles", async () => {
      const deployment: Stored<Deployment> = await this.client.get(resources.deployments, "ledger", namespace);
      const want = deployment.spec?.replicas ?? 0;
      const { status, metadata } = deployment;
      const pods = await this.pods();
      state = JSON.stringify({ want, status, pods: pods.map((pod) => [pod.metadata.name, pod.status?.phase]) });
      return (
        status?.observedGeneration === metadata.generation &&
        status?.updatedReplicas === want &&
        (status.readyReplicas ?? 0) === want &&
        (status.replicas ?? 0) === want &&
        pods.length === want
      );
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${state}`, { cause: error });
    });
  }

  /** The service's own process of each live pod, by the pod's name. */
  processes(): ReadonlyMap<string, number> {
    const found = new Map<string, number>();
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      try {
        const environ = readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
        if (!environ.includes(`LEDGER_FOLDER=${this.folder}`)) continue;
        const [executable = ""] = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
        const pod = environ.find((line) => line.startsWith("POD_NAME="))?.slice(9);
        if (pod !== undefined && /(^|\/)node$/.test(executable)) found.set(pod, Number(pid));
      } catch {
        // It ended meanwhile.
      }
    }
    return found;
  }

  /** Signals one pod's process. @returns false when it had ended. */
  signal(pod: string, signal: NodeJS.Signals): boolean {
    const pid = this.processes().get(pod);
    return pid !== undefined && this.signalPid(pid, signal);
  }

  signalPid(pid: number, signal: NodeJS.Signals): boolean {
    try {
      process.kill(pid, signal);
      return true;
    } catch {
      return false;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#callers.map((caller) => caller.kill()));
    for (const pid of this.processes().values()) this.signalPid(pid, "SIGCONT");
    await this.session.run("down", "--purge");
    await this.session.close();
  }
}

class Caller {
  readonly file: string;
  readonly calling: Promise<void>;
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(setup: CallerSetup, env: NodeJS.ProcessEnv, kubeconfig: string) {
    this.file = setup.file;
    this.#process = spawn(process.execPath, [program("caller.ts"), JSON.stringify(setup)], {
      env: { ...env, KUBECONFIG: kubeconfig },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#ended = once(this.#process, "close");
    this.calling = once(this.#process.stdout ?? this.#process, "data").then(() => undefined);
  }

  async stop(): Promise<void> {
    this.#process.stdin?.end();
    await this.#ended;
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) this.#process.kill("SIGKILL");
    await this.#ended;
  }
}
