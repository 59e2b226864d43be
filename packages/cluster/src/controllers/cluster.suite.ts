// For tests: the real API over a store in memory, the real control loops and scheduler, and a stand-in for the node agents
// that runs nothing. Time is virtual.
import { silentLogger } from "@wherry/core";
import { SeededRandom, VirtualClock } from "@wherry/core/testing";
import { type Node, type Pod, resources, type Stored, StatusError } from "@wherry/kube";
import { createClient, type KubeClient, type Transport, type TransportRequest } from "@wherry/kube/client";
import { createInformers, type LoopEnvironment } from "@wherry/kube/controller";
import { createApi } from "../api/api.ts";
import { localTransport } from "../api/local.ts";
import { startScheduler } from "../scheduler/index.ts";
import { openMemoryBackend } from "../store/index.ts";
import { startControllers } from "./start.ts";

export interface TestClusterOptions {
  readonly nodes?: readonly Node[];
  /** Wraps the controllers' transport, to make it fail. */
  readonly wrap?: (transport: Transport) => Transport;
  /** The same for the scheduler's. */
  readonly wrapScheduler?: (transport: Transport) => Transport;
  /** What the agents make of a pod that is bound; ready at once when absent. */
  readonly isReady?: (pod: Stored<Pod>) => boolean;
  /** Not started when false. */
  readonly controllers?: boolean;
  readonly scheduler?: boolean;
  readonly agents?: boolean;
}

export interface TestCluster extends AsyncDisposable {
  readonly client: KubeClient;
  readonly clock: VirtualClock;
  /** Starts another set of controllers, as after a crash of the first. */
  startControllers(wrap?: (transport: Transport) => Transport): { stop(): Promise<void> };
  /** Lets everything run until `check` gives a truthy value; fails after `virtualMs`. */
  until<T>(what: string, check: () => Promise<T | undefined | false>, virtualMs?: number): Promise<T>;
  /** Lets everything run until nothing is written any more. */
  settle(): Promise<void>;
  /** Called for each write of any client, after it was answered. */
  onWrite(listener: (request: TransportRequest) => void): void;
}

export function testNode(name: string, overrides: Partial<Node> = {}): Node {
  const capacity = { cpu: "8", memory: "16Gi", pods: "110" };
  return {
    metadata: { name, labels: { "kubernetes.io/hostname": name } },
    status: { capacity, allocatable: capacity, conditions: [{ type: "Ready", status: "True" }] },
    ...overrides,
  };
}

const masters = (name: string): { name: string; groups: string[] } => ({ name, groups: ["system:masters"] });

export async function startTestCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const clock = new VirtualClock();
  const random = new SeededRandom(7);
  const log = silentLogger;
  const backend = openMemoryBackend();
  const api = await createApi({
    backend,
    clock,
    random,
    log,
    podLogs: { read: () => Promise.reject(new Error("no logs here")) },
    serviceAddresses: "127.1.0.0/20",
    version: "test",
    tokens: {
      issuer: "test",
      issue: () => Promise.reject(new Error("no tokens here")),
      verify: () => Promise.resolve(undefined),
      keys: {},
    },
  });
  const listeners: ((request: TransportRequest) => void)[] = [];
  const transportOf = (name: string): Transport => {
    const inner = localTransport(api, masters(name));
    return {
      ...inner,
      async request(request) {
        const response = await inner.request(request);
        if (request.method !== "GET") for (const listener of listeners) listener(request);
        return response;
      },
    };
  };
  const stop = new AbortController();
  const envOf = (name: string, wrap = (transport: Transport): Transport => transport): LoopEnvironment => {
    const client = createClient(wrap(transportOf(name)));
    return { client, informers: createInformers(client, { clock, random, log }), clock, random, log };
  };
  const client = createClient(transportOf("admin"));
  for (const name of ["default", "kube-system"]) await client.create(resources.namespaces, { metadata: { name } });
  for (const node of options.nodes ?? [testNode("node-0"), testNode("node-1")])
    await client.create(resources.nodes, node);
  const running: Promise<void>[] = [];
  const controllers = (wrap?: (transport: Transport) => Transport): { stop(): Promise<void> } => {
    const own = new AbortController();
    const env = envOf("system:kube-controller-manager", wrap);
    const done = startControllers({ ...env, rootCa: "PEM" }, AbortSignal.any([own.signal, stop.signal]));
    running.push(done);
    return {
      async stop() {
        own.abort(new Error("stopped"));
        await done;
      },
    };
  };
  if (options.controllers !== false) controllers(options.wrap);
  if (options.scheduler !== false)
    running.push(startScheduler(envOf("system:kube-scheduler", options.wrapScheduler), stop.signal));
  if (options.agents !== false) {
    const agents = envOf("system:node:all");
    standInForAgents(agents, options.isReady ?? (() => true));
    await agents.informers.start(stop.signal);
  }
  const cluster: TestCluster = {
    client,
    clock,
    startControllers: controllers,
    onWrite: (listener) => listeners.push(listener),
    async until(what, check, virtualMs = 60_000) {
      const endMs = clock.now() + virtualMs;
      for (;;) {
        const value = await check();
        if (value !== undefined && value !== false) return value;
        if (clock.now() > endMs) throw new Error(`waited ${virtualMs} ms of virtual time for: ${what}`);
        // Small steps first: most things need no time at all, only turns.
        await clock.advance(virtualMs > 60_000 ? 1000 : 5);
      }
    },
    async settle() {
      for (let quiet = 0; quiet < 5; ) {
        const before = backend.revision;
        await clock.advance(10);
        quiet = backend.revision === before ? quiet + 1 : 0;
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("the test is over"));
      await Promise.all(running);
      api.close();
      await backend.close();
    },
  };
  return cluster;
}

/** Bound pods run and get an address; deleted ones end at once. */
function standInForAgents(env: LoopEnvironment, isReady: (pod: Stored<Pod>) => boolean): void {
  let address = 0;
  const pods = env.informers.for(resources.pods);
  pods.onChange((pod) => {
    if (pod === undefined || (pod.spec?.nodeName ?? "") === "") return;
    const act = pod.metadata.deletionTimestamp === undefined ? run(pod) : end(pod);
    act.catch((error: unknown) => {
      // Gone, or changed by somebody else: the next change is looked at again.
      if (!(error instanceof StatusError)) throw error;
    });
  });
  const run = async (pod: Stored<Pod>): Promise<void> => {
    const phase = pod.status?.phase;
    if (phase === "Succeeded" || phase === "Failed") return;
    const ready = isReady(pod);
    const present = pod.status?.conditions?.find(({ type }) => type === "Ready");
    if (phase === "Running" && (present?.status === "True") === ready) return;
    const podIP = pod.status?.podIP ?? `127.1.64.${++address}`;
    const condition = {
      type: "Ready",
      status: ready ? "True" : "False",
      lastTransitionTime: `${new Date(env.clock.now()).toISOString().slice(0, 19)}Z`,
    };
    const conditions = [...(pod.status?.conditions ?? []).filter(({ type }) => type !== "Ready"), condition];
    const status = { ...pod.status, phase: "Running", podIP, podIPs: [{ ip: podIP }], conditions };
    await env.client.updateStatus(resources.pods, { ...pod, status });
  };
  const end = async ({ metadata: { name, namespace = "" } }: Stored<Pod>): Promise<void> => {
    await env.client.delete(resources.pods, { name, namespace }, { gracePeriodSeconds: 0 });
  };
}
