// A node in a test: the real API over a store in memory, the real agent, real processes on the addresses of a slot of its own. For
// tests only.
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, silentLogger, SystemClock, SystemRandom } from "@wherry/core";
import { type Pod, type PodSpec, resources, type Stored } from "@wherry/kube";
import { createClient, type KubeClient } from "@wherry/kube/client";
import { createInformers, type Informers } from "@wherry/kube/controller";
import { vi } from "vitest";
import { bootstrapObjects, createApi, createTokens, localTransport } from "../api/index.ts";
import { podAddresses } from "../network/pod-addresses.ts";
import { claimSlot } from "../network/slots.ts";
import { openMemoryBackend } from "../store/index.ts";
import { startAgent } from "./agent.ts";
import type { Image } from "./images.ts";
import { preloadFile, processRuntime } from "./runtime/process-runtime.ts";
import { simulatedRuntime } from "./runtime/simulated-runtime.ts";
import type { Agent, AgentOptions } from "./types.ts";

const kubernetesPort = 6443;
/** Only what hangs takes this long. */
const patienceMs = 60_000;

export interface TestNode {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly folder: string;
  /** The first two octets of its addresses: `127.201`. */
  readonly net: string;
  readonly informers: Informers;
  readonly images: Map<string, Image>;
  /** The newest agent; undefined after `stop`. */
  agent: Agent;
  /** A new agent over the same folder and API, as after the daemon was started again. */
  restart(): Promise<Agent>;
  createPod(
    name: string,
    spec: Partial<PodSpec> & Pick<PodSpec, "containers">,
    metadata?: Pod["metadata"],
  ): Promise<Stored<Pod>>;
  pod(name: string): Promise<Stored<Pod>>;
  /** Waits until the pod is as `check` wants it (it throws, or answers false, until then). */
  until(name: string, check: (pod: Stored<Pod>) => unknown): Promise<Stored<Pod>>;
  gone(name: string): Promise<void>;
  /** The messages of the events with this reason about a pod. */
  events(name: string, reason: string): Promise<readonly string[]>;
  log(
    name: string,
    more?: { readonly previous?: boolean; readonly tailLines?: number; readonly container?: string },
  ): Promise<string>;
  stop(): Promise<void>;
}

export interface TestNodeOptions {
  readonly clock?: Clock;
  readonly runtime?: "process" | "simulated";
  readonly agent?: Partial<AgentOptions>;
}

const shell: Image = { name: "sh", entrypoint: ["sh", "-c"], cmd: [], workingDir: "/", env: {} };
const node: Image = { name: "node", entrypoint: [process.execPath], cmd: [], workingDir: "/", env: {} };

export async function testNode(options: TestNodeOptions = {}): Promise<TestNode> {
  const clock = options.clock ?? new SystemClock();
  // As a real cluster does, so that neither one nor another run of these tests is in the way.
  const claim = await claimSlot({ preferred: 201, port: kubernetesPort });
  const slot = claim.number;
  const runtime = options.runtime ?? "process";
  // Not seeded: pods' UIDs must differ from those of other runs of these tests, because processes are told apart by them.
  const random = new SystemRandom();
  const log = process.env["GDEBUG"]
    ? ({
        debug() {},
        info: console.log,
        warn: console.log,
        error: console.log,
        child() {
          return this;
        },
      } as never)
    : silentLogger;
  const folder = await mkdtemp(join(tmpdir(), "wherry-agent-"));
  const { privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  const backend = openMemoryBackend();
  const agents: { current: Agent | undefined } = { current: undefined };
  const api = await createApi({
    backend,
    clock,
    random,
    log,
    podLogs: { read: async (...args) => await (agents.current as Agent).logs.read(...args) },
    serviceAddresses: `127.${slot}.0.0/20`,
    version: "0.1.0",
    tokens: await createTokens({ privateKey, clock, random }),
  });
  const client = createClient(localTransport(api, { name: "system:admin", groups: ["system:masters"] }));
  await bootstrapObjects(client, {
    address: `127.${slot}.0.1`,
    port: 6443,
    endpoint: { address: "127.0.0.1", port: 1 },
  });
  await client.create(resources.serviceaccounts, {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name: "default", namespace: "default" },
  });
  const stop = new AbortController();
  const informers = createInformers(client, { clock, random, log });
  void informers.start(stop.signal);
  const images = new Map([shell, node].map((image) => [image.name, image]));
  const start = async (): Promise<Agent> => {
    agents.current = await startAgent(
      {
        client,
        informers,
        clock,
        random,
        log,
        node: { name: "node-0", ip: `127.${slot}.64.1`, podCidr: `127.${slot}.64.0/22` },
        runtime,
        runtimes: [processRuntime({ clock, preload: preloadFile }), simulatedRuntime({ clock })],
        images: {
          find: (name) => Promise.resolve(images.get(name)),
          explain: (name) => `nobody knows image ${name}: add it to wherry.yaml`,
        },
        addresses: podAddresses({ cidr: `127.${slot}.64.0/22` }),
        stateFolder: folder,
        rootCa: "a CA",
        baseEnv: { PATH: process.env["PATH"] ?? "", HOME: "/" },
        hostsFile: join(folder, "hosts"),
        version: "v1.35.0",
        ...options.agent,
      },
      stop.signal,
    );
    test.agent = agents.current;
    return agents.current;
  };
  const test: TestNode = {
    client,
    clock,
    folder,
    net: `127.${slot}`,
    informers,
    images,
    agent: undefined as unknown as Agent,
    restart: start,
    createPod: async (name, spec, metadata) =>
      await client.create(resources.pods, {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, namespace: "default", ...metadata },
        spec: { nodeName: "node-0", terminationGracePeriodSeconds: 5, ...spec },
      }),
    pod: async (name) => await client.get(resources.pods, name, "default"),
    until: async (name, check) =>
      await vi.waitFor(
        async () => {
          const pod = await client.get(resources.pods, name, "default");
          if (check(pod) === false) throw new Error(`not yet: ${JSON.stringify(pod.status)}`);
          return pod;
        },
        { timeout: patienceMs, interval: 10 },
      ),
    gone: async (name) => {
      await vi.waitFor(
        async () => {
          const found = (await client.list(resources.pods)).items.filter((pod) => pod.metadata.name === name);
          if (found.length > 0) throw new Error(`still there: ${JSON.stringify(found[0])}`);
        },
        { timeout: patienceMs, interval: 10 },
      );
    },
    events: async (name, reason) =>
      (await client.list(resources.events, { namespace: "default" })).items
        .filter((event) => event.involvedObject.name === name && event.reason === reason)
        .map((event) => event.message ?? ""),
    log: async (name, more) => {
      const pod = await client.get(resources.pods, name, "default");
      const signal = new AbortController().signal;
      const log = await test.agent.logs.read(
        { namespace: "default", name, uid: pod.metadata.uid },
        more?.container ?? pod.spec?.containers[0]?.name ?? "",
        {
          follow: false,
          previous: more?.previous ?? false,
          timestamps: false,
          signal,
          ...(more?.tailLines === undefined ? {} : { tailLines: more.tailLines }),
        },
      );
      let text = "";
      for await (const chunk of log) text += Buffer.from(chunk as Uint8Array).toString("utf8");
      return text;
    },
    stop: async () => {
      const pods = (await client.list(resources.pods)).items;
      // Whatever a failed test left: nothing may wait for half a minute.
      await Promise.all(
        pods.map((pod) =>
          client
            .delete(
              resources.pods,
              { name: pod.metadata.name, namespace: pod.metadata.namespace ?? "" },
              { gracePeriodSeconds: 0 },
            )
            .catch(() => undefined),
        ),
      );
      await agents.current?.stopAll();
      stop.abort();
      api.close();
      await backend.close();
      await claim.release();
      await rm(folder, { recursive: true, force: true });
    },
  };
  await start();
  return test;
}

/** True once every container is ready. */
export function isReady(pod: Pod): boolean {
  return (
    pod.status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True") === true
  );
}
