// Puts the node's object into the API and keeps its status true. It writes when something differs, and a heartbeat every five
// minutes: an idle cluster costs nothing.
import { arch, availableParallelism, platform, release, totalmem } from "node:os";
import { asError } from "@wherry/core";
import { type Node, type NodeCondition, resources, StatusError, type Stored } from "@wherry/kube";
import { nodeStatusIntervalMs, podsPerNodeMax, retryFirstMs, simulatedPodsPerNodeMax } from "./limits.ts";
import { rfc3339 } from "./pod/status.ts";
import type { AgentOptions } from "./types.ts";

/** Node's names to Go's, which Kubernetes labels use. */
const architectures: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };

/** What the node can give, as quantities. A simulated node has as much as it is asked for. */
export function nodeResources(runtime: "process" | "simulated"): Readonly<Record<string, string>> {
  if (runtime === "simulated")
    return { cpu: "1k", memory: "1Ti", "ephemeral-storage": "1Ti", pods: String(simulatedPodsPerNodeMax) };
  return {
    cpu: String(availableParallelism()),
    memory: `${Math.floor(totalmem() / 1024)}Ki`,
    "ephemeral-storage": "100Gi",
    pods: String(podsPerNodeMax),
  };
}

/** Registers, then keeps the heartbeat until the signal aborts. Resolves once the node is registered. */
export async function registerNode(options: AgentOptions, signal: AbortSignal): Promise<void> {
  await writeNode(options);
  const beat = (delayMs: number): void => {
    const timer = options.clock.timer(
      delayMs,
      () => {
        signal.removeEventListener("abort", cancel);
        writeNode(options).then(
          () => beat(nodeStatusIntervalMs),
          (error: unknown) => {
            if (signal.aborted) return;
            options.log.warn({ err: asError(error) }, "the node's status could not be written");
            beat(retryFirstMs * 10);
          },
        );
      },
      { background: true },
    );
    const cancel = (): void => timer.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    if (signal.aborted) cancel();
  };
  beat(nodeStatusIntervalMs);
}

async function writeNode(options: AgentOptions): Promise<void> {
  const { client, node } = options;
  for (let attempt = 1; ; attempt++) {
    try {
      const known = await client.get(resources.nodes, node.name).catch((error: unknown) => {
        if (error instanceof StatusError && error.reason === "NotFound") return undefined;
        throw error;
      });
      const registered = known ?? (await client.create(resources.nodes, newNode(options)));
      await client.updateStatus(resources.nodes, {
        ...registered,
        status: { ...registered.status, ...nodeStatus(options, registered) },
      });
      return;
    } catch (error) {
      if (!(error instanceof StatusError) || error.reason !== "Conflict" || attempt >= 5) throw error;
    }
  }
}

function newNode({ node }: AgentOptions): Node {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name: node.name,
      labels: {
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": platform(),
        "kubernetes.io/arch": architectures[arch()] ?? arch(),
        "beta.kubernetes.io/os": platform(),
        "beta.kubernetes.io/arch": architectures[arch()] ?? arch(),
        ...node.labels,
      },
    },
    spec: { podCIDR: node.podCidr, podCIDRs: [node.podCidr] },
  };
}

function nodeStatus(options: AgentOptions, known: Stored<Node>): NonNullable<Node["status"]> {
  const { node, runtime, version, clock } = options;
  const capacity = nodeResources(runtime);
  return {
    capacity,
    allocatable: capacity,
    conditions: conditions(known.status?.conditions ?? [], rfc3339(clock.now())),
    addresses: [
      { type: "InternalIP", address: node.ip },
      { type: "Hostname", address: node.name },
    ],
    nodeInfo: {
      architecture: architectures[arch()] ?? arch(),
      bootID: "",
      containerRuntimeVersion: `wherry-${runtime}://1`,
      kernelVersion: release(),
      kubeProxyVersion: "",
      kubeletVersion: version,
      machineID: "",
      operatingSystem: platform(),
      osImage: `Wherry (${runtime})`,
      systemUUID: "",
    },
  };
}

function conditions(known: readonly NodeCondition[], now: string): readonly NodeCondition[] {
  const condition = (type: string, status: string, reason: string, message: string): NodeCondition => {
    const old = known.find((candidate) => candidate.type === type);
    const lastTransitionTime = old?.status === status ? (old.lastTransitionTime ?? now) : now;
    return { type, status, reason, message, lastHeartbeatTime: now, lastTransitionTime };
  };
  return [
    condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
  ];
}
