// Finds a Service's pods by watching its EndpointSlices. What the conditions mean, absent ones too, is Kubernetes' own rule
// (https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#conditions). It only reads.
import { asError, type Clock, type Logger, type Random, WherryError } from "@wherry/core";
import type { KubeClient, Resource } from "@wherry/kube/client";
import type { EndpointSlice, Stored } from "@wherry/kube/types";
import { watchRetryFirstMs, watchRetryMaxMs } from "../limits.ts";
import type { Discovery, DiscoveryProblem, Target } from "./discovery.ts";

/** Named here, so that a service doesn't load the whole object model for one URL. */
const endpointSlices: Resource<EndpointSlice> = {
  group: "discovery.k8s.io",
  version: "v1",
  plural: "endpointslices",
  kind: "EndpointSlice",
  namespaced: true,
};

/** The port that is chosen when none is asked for. */
const messagingPortName = "messaging";

/** No cluster, or a kubeconfig that can't be used: what only a person can mend. It is tried again all the same. */
const lastingCodes = ["SERVICE_NO_CLUSTER", "KUBE_CONFIG"];

/** Which API to watch, and where in it the Service is. */
export interface Cluster {
  readonly client: KubeClient;
  readonly namespace: string;
}

export interface EndpointSliceOptions {
  readonly service: string;
  readonly port: string | undefined;
  /** Asked when the watch starts, so that a missing cluster is a retried error like any other. */
  readonly cluster: () => Promise<Cluster>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export function watchEndpointSlices(options: EndpointSliceOptions): Discovery {
  return { start: (tell, signal, problem) => void follow(options, tell, signal, problem) };
}

const noPod = { uid: undefined, name: undefined };

type Tell = (targets: readonly Target[]) => void;

async function follow(
  options: EndpointSliceOptions,
  tell: Tell,
  signal: AbortSignal,
  problem: (problem: DiscoveryProblem) => void,
): Promise<void> {
  const { clock, random, log, service } = options;
  const isStopped = (): boolean => signal.aborted;
  let failures = 0;
  while (!isStopped()) {
    try {
      const cluster = await options.cluster();
      await listAndWatch(cluster, options, tell, signal, () => (failures = 0));
    } catch (error) {
      if (isStopped()) return;
      failures++;
      problem({ error: asError(error), lasting: lastingCodes.some((code) => WherryError.is(error, code)) });
      log.warn({ err: asError(error), service }, "lost the watch of the endpoints; the last known ones stay");
    }
    const longestMs = Math.min(watchRetryMaxMs, watchRetryFirstMs * 2 ** Math.min(failures, 10));
    // Half fixed, half random: many clients of one restarted API do not come back together.
    await clock.sleep((longestMs * (1 + random.next())) / 2, signal).catch(() => undefined);
  }
}

/** Returns when the server ends the watch; throws when it cannot go on from where it was. */
async function listAndWatch(
  { client, namespace }: Cluster,
  { service, port }: EndpointSliceOptions,
  tell: Tell,
  signal: AbortSignal,
  onAlive: () => void,
): Promise<void> {
  const scope = { namespace, labelSelector: `kubernetes.io/service-name=${service}`, signal };
  const list = await client.list(endpointSlices, scope);
  const slices = new Map(list.items.map((slice) => [slice.metadata.name, slice]));
  tell(targetsOf([...slices.values()], port));
  onAlive();
  const from = list.metadata.resourceVersion;
  const version = from === undefined ? {} : { resourceVersion: from };
  for await (const event of client.watch(endpointSlices, { ...scope, ...version, allowWatchBookmarks: true })) {
    if (event.type === "ERROR") throw new Error(`watch of EndpointSlices: ${event.object.message ?? "refused"}`);
    if (event.type === "BOOKMARK") continue;
    if (event.type === "DELETED") slices.delete(event.object.metadata.name);
    else slices.set(event.object.metadata.name, event.object);
    tell(targetsOf([...slices.values()], port));
  }
}

/** Every pod once, even while it is moved from one slice to another. */
export function targetsOf(slices: readonly Stored<EndpointSlice>[], portName: string | undefined): Target[] {
  const targets = new Map<string, Target>();
  for (const slice of slices) {
    const port = portOf(slice, portName);
    if (port === undefined) continue;
    for (const { addresses, conditions, targetRef } of slice.endpoints ?? []) {
      // All addresses of one endpoint are fungible; the first stands for it.
      const [host] = addresses;
      if (host === undefined) continue;
      const address = `tcp://${slice.addressType === "IPv6" ? `[${host}]` : host}:${port}`;
      const ready = conditions?.ready ?? true;
      const serving = conditions?.serving ?? ready;
      const known = targets.get(address);
      const { uid, name } = targetRef?.kind === "Pod" ? targetRef : noPod;
      if (known === undefined || (ready && !known.ready))
        targets.set(address, { address, pod: uid, name, ready, serving });
    }
  }
  return [...targets.values()];
}

function portOf(slice: EndpointSlice, wanted: string | undefined): number | undefined {
  const ports = (slice.ports ?? []).filter(({ port, protocol }) => port !== undefined && (protocol ?? "TCP") === "TCP");
  if (wanted !== undefined) return ports.find(({ name }) => name === wanted)?.port;
  return (ports.find(({ name }) => name === messagingPortName) ?? ports[0])?.port;
}
