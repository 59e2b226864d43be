// What makes a cluster move: agents, Service proxy, scheduler, controllers; each under an identity and with caches of its own.
import { type FSWatcher, watch } from "node:fs";
import { basename } from "node:path";
import { asError } from "@wherry/core";
import { resources } from "@wherry/kube";
import type { KubeClient } from "@wherry/kube/client";
import { createInformers, type LoopEnvironment } from "@wherry/kube/controller";
import {
  type Agent,
  baseEnvironment,
  preloadFile,
  processRuntime,
  simulatedRuntime,
  startAgent,
} from "../agent/index.ts";
import type { User } from "../api/index.ts";
import { startControllers } from "../controllers/index.ts";
import { podAddresses, startServiceProxy } from "../network/index.ts";
import { startScheduler } from "../scheduler/index.ts";
import type { Core, CoreEnvironment } from "./core.ts";
import { createImages } from "./images/images.ts";
import type { ClusterPaths } from "./state.ts";

export interface Components {
  readonly agents: ReadonlyMap<string, Agent>;
  /** Containers of an earlier daemon that were found running. */
  readonly adopted: number;
  /** Controllers and scheduler end, and have ended when it resolves; agents and proxy go on. */
  stopLoops(): Promise<void>;
  /** The proxy ends as well; the agents were stopped or detached before. */
  stopNetwork(): void;
}

/** What `kubectl get nodes` shows as the kubelet's version. */
const kubeletVersion = "v1.35.0";

const user = (name: string, ...groups: string[]): User => ({ name, groups: [...groups, "system:authenticated"] });

export async function startComponents(core: Core, paths: ClusterPaths, env: CoreEnvironment): Promise<Components> {
  const loops = new AbortController();
  const network = new AbortController();
  const loopEnvironment = (identity: User, component: string): LoopEnvironment => {
    const client = core.clientFor(identity);
    const log = env.log.child({ component });
    return { client, ...env, log, informers: createInformers(client, { ...env, log }) };
  };
  const rootCa = core.pki.caCertificate;
  const ended = [
    startControllers(
      { ...loopEnvironment(user("system:kube-controller-manager"), "controllers"), rootCa },
      loops.signal,
    ),
    startScheduler(loopEnvironment(user("system:kube-scheduler"), "scheduler"), loops.signal),
  ];
  for (const loop of ended)
    loop.catch((error: unknown) => {
      // A loop that can't go on is a bug: the next daemon starts all of them anew, and the pods live on.
      env.log.error({ err: asError(error) }, "a control loop ended");
      process.emit("uncaughtException", asError(error));
    });
  // Proxy and agents look at the same Services; none of them looks at the others.
  const shared = loopEnvironment(user("system:kube-proxy", "system:nodes"), "proxy");
  startServiceProxy({ ...shared, slot: core.slot, hostsFile: paths.hosts }, network.signal);
  const starting = nodeNames(core.nodes).map((name, index) => {
    const own = loopEnvironment(user(`system:node:${name}`, "system:nodes"), "agent");
    return startNode(name, index, core, paths, { ...own, informers: shared.informers });
  });
  await forgetNodes(shared.client, nodeNames(core.nodes));
  const [started] = await Promise.all([Promise.all(starting), shared.informers.start(network.signal)]);
  const agents = new Map(nodeNames(core.nodes).map((name, index) => [name, started[index] as Agent]));
  const watcher = watchImages(paths, () => {
    for (const agent of agents.values()) agent.imagesChanged();
  });
  return {
    agents,
    adopted: started.reduce((sum, agent) => sum + agent.adopted, 0),
    async stopLoops() {
      loops.abort();
      await Promise.allSettled(ended);
    },
    stopNetwork() {
      network.abort();
      watcher.close();
    },
  };
}

const nodeNames = (nodes: number): string[] => Array.from({ length: nodes }, (_, index) => `node-${index + 1}`);

/** Pods that wait for an image try again as soon as `wherry up` has registered one. */
function watchImages(paths: ClusterPaths, changed: () => void): FSWatcher {
  // The folder, not the file: it is replaced with each change.
  const watcher = watch(paths.folder, { persistent: false }, (_event, file) => {
    if (file === basename(paths.images)) changed();
  });
  // Without it they try again at the end of their back-off.
  watcher.on("error", () => {
    watcher.close();
  });
  return watcher;
}

/** Nodes of an earlier start with more of them: what is left there is collected with its node. */
async function forgetNodes(client: KubeClient, kept: readonly string[]): Promise<void> {
  for (const { metadata } of (await client.list(resources.nodes)).items)
    if (!kept.includes(metadata.name)) await client.delete(resources.nodes, { name: metadata.name });
}

function startNode(name: string, index: number, core: Core, paths: ClusterPaths, env: LoopEnvironment): Promise<Agent> {
  const { ip, podCidr } = core.slot.node(index);
  return startAgent(
    {
      ...env,
      node: { name, ip, podCidr },
      runtime: core.runtime,
      runtimes: [processRuntime({ clock: env.clock, preload: preloadFile }), simulatedRuntime({ clock: env.clock })],
      images: createImages(paths.images),
      addresses: podAddresses({ cidr: podCidr }),
      stateFolder: paths.folder,
      rootCa: core.pki.caCertificate,
      baseEnv: baseEnvironment(process.env),
      hostsFile: paths.hosts,
      version: kubeletVersion,
    },
    // Ended by stopAll or detach, never by a signal.
    new AbortController().signal,
  );
}
