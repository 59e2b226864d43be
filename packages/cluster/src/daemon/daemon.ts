// The composition root: the only place that knows every part of a cluster and puts them together. Takes everything ambient
// as an argument, so that a test runs a whole cluster in its own process. What a client needs first comes first: the API
// listens before agents, scheduler and controllers are there.
import { rmSync } from "node:fs";
import { notFound, resources } from "@wherry/kube";
import type { KubeClient } from "@wherry/kube/client";
import { type Api, admin, type PodLogs } from "../api/index.ts";
import type { Components } from "./components.ts";
import { type Core, type CoreEnvironment, startCore, type Undo } from "./core.ts";
import { daemonLimits } from "./limits.ts";
import { takeLock } from "./lock.ts";
import type { DaemonOptions } from "./options.ts";
import {
  type ClusterPaths,
  clusterPaths,
  type DaemonInfo,
  prepareState,
  readStateFile,
  writeFileAtomic,
} from "./state.ts";
import { deleteControlledPods } from "./stop-pods.ts";

export interface DaemonEnvironment extends CoreEnvironment {
  /** Called once, as soon as the API answers and the default namespace is there; after a crash, when what it left is adopted too. */
  readonly onListening?: (info: DaemonInfo) => void;
}

/** A cluster that runs. */
export interface Daemon {
  readonly info: DaemonInfo;
  readonly paths: ClusterPaths;
  /** In process, as the administrator. */
  readonly client: KubeClient;
  readonly api: Api;
  /** Drains and stops everything: pods, loops, API, store. Nothing is left running. */
  stop(): Promise<void>;
  /** The same, but what still runs is killed; also while `stop` is under way. */
  kill(): Promise<void>;
  /** Ends as a crash would, but in order: pods live on, for the next daemon to adopt. */
  detach(): Promise<void>;
}

/**
 * Starts a cluster, or takes over what a killed daemon left of it.
 * @throws WherryError `DAEMON_RUNNING`, `STATE_UNUSABLE`, `DAEMON_PORT_TAKEN`, and those of the parts; nothing stays behind then.
 */
export async function startDaemon(options: DaemonOptions, env: DaemonEnvironment): Promise<Daemon> {
  const paths = clusterPaths(options.home, options.name);
  prepareState(paths);
  const lock = takeLock(paths, daemonLimits.lockWaitMs);
  // Without a daemon.json there is nothing to adopt. That of a killed daemon stays until a next one has adopted its pods.
  const crashed = readStateFile(paths.daemonFile);
  let up = false;
  const undo: Undo = [
    () => lock.release(),
    () => {
      if (crashed !== undefined && !up) writeFileAtomic(paths.daemonFile, crashed);
      else rmSync(paths.daemonFile, { force: true });
    },
  ];
  try {
    const logs = new LateLogs();
    const core = await startCore(paths, options, env, logs, undo);
    // After a crash the pods' statuses are from before it: they mean nothing until the agents have looked.
    if (crashed === undefined) env.onListening?.(core.info);
    // Loaded only now: a client is at work already.
    const { startComponents } = await import("./components.ts");
    const components = await startComponents(core, paths, env);
    up = true;
    logs.attach(core.api, components);
    env.log.info({ server: core.info.server, adopted: components.adopted }, "the cluster is up");
    if (crashed !== undefined) env.onListening?.(core.info);
    return new RunningDaemon(paths, options, env, core, components, undo);
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

class RunningDaemon implements Daemon {
  readonly info: DaemonInfo;
  readonly paths: ClusterPaths;
  readonly client: KubeClient;
  readonly api: Api;
  readonly #options: DaemonOptions;
  readonly #env: CoreEnvironment;
  readonly #core: Core;
  readonly #components: Components;
  readonly #undo: Undo;
  readonly #hurry = new AbortController();
  #ending: Promise<void> | undefined;

  constructor(
    paths: ClusterPaths,
    options: DaemonOptions,
    env: CoreEnvironment,
    core: Core,
    components: Components,
    undo: Undo,
  ) {
    this.info = core.info;
    this.paths = paths;
    this.api = core.api;
    this.client = core.clientFor(admin);
    this.#options = options;
    this.#env = env;
    this.#core = core;
    this.#components = components;
    this.#undo = undo;
  }

  stop(): Promise<void> {
    this.#ending ??= this.#stop();
    return this.#ending;
  }

  kill(): Promise<void> {
    this.#hurry.abort();
    return this.stop();
  }

  detach(): Promise<void> {
    this.#ending ??= this.#detach();
    return this.#ending;
  }

  async #stop(): Promise<void> {
    const { agents } = this.#components;
    // First those that would make new pods of the ones that end; the agents and the proxy serve to the last request.
    await this.#components.stopLoops();
    const hurry = this.#hurry.signal;
    await deleteControlledPods({ client: this.client, ...this.#env, hurry });
    const stopAgents = (graceMsMax: number): Promise<unknown> =>
      Promise.all([...agents.values()].map((agent) => agent.stopAll(graceMsMax)));
    hurry.addEventListener("abort", () => void stopAgents(0));
    await stopAgents(hurry.aborted ? 0 : daemonLimits.stopGraceMsMax);
    await this.#close();
    if (this.#options.ephemeral === true) rmSync(this.paths.folder, { recursive: true, force: true });
  }

  async #detach(): Promise<void> {
    await this.#components.stopLoops();
    await Promise.all([...this.#components.agents.values()].map((agent) => agent.detach()));
    await this.#close();
  }

  async #close(): Promise<void> {
    this.#components.stopNetwork();
    await this.#core.listener.close(daemonLimits.apiDrainMs);
    for (const step of this.#undo.reverse()) await step();
  }
}

/** The agents' logs, for an API that is there before they are. */
class LateLogs implements PodLogs {
  #api: Api | undefined;
  #components: Components | undefined;

  attach(api: Api, components: Components): void {
    this.#api = api;
    this.#components = components;
  }

  read(...[pod, container, options]: Parameters<PodLogs["read"]>): ReturnType<PodLogs["read"]> {
    const found = this.#api?.find("pods", pod.namespace, pod.name) as { spec?: { nodeName?: string } } | undefined;
    const agent = this.#components?.agents.get(found?.spec?.nodeName ?? "");
    if (agent === undefined) return Promise.reject(notFound(resources.pods, pod.name));
    return agent.logs.read(pod, container, options);
  }
}
