// Which EndpointSlices a Service shall have. Pure: Service, pods and present slices in, writes out. An endpoint stays in the
// slice that it is in, so that a pod that comes or goes is one small write.
// Mirrors upstream k8s.io/endpointslice (utils.go, reconciler.go).
import {
  deepEqual,
  type DiscoveryEndpointPort,
  type Endpoint,
  type EndpointSlice,
  type Node,
  type Pod,
  resources,
  type Service,
  type Stored,
} from "@wherry/kube";
import { limits } from "../limits.ts";
import { byAge, isDeleting, ownerReferenceTo } from "../objects.ts";
import { isReady, isTerminal } from "../pods.ts";
import { portsKey, portsOf, type ResolvedPort } from "./ports.ts";

export const serviceNameLabel = "kubernetes.io/service-name";
export const managedByLabel = "endpointslice.kubernetes.io/managed-by";
export const managedBy = "endpointslice-controller.k8s.io";
const headlessLabel = "service.kubernetes.io/headless";

export interface SlicesWorld {
  readonly service: Stored<Service>;
  /** Those that its selector matches. */
  readonly pods: readonly Stored<Pod>[];
  /** Those of this Service that this controller manages. */
  readonly slices: readonly Stored<EndpointSlice>[];
  readonly nodeOf: (name: string) => Node | undefined;
}

export interface SlicesPlan {
  readonly create: readonly EndpointSlice[];
  readonly update: readonly EndpointSlice[];
  readonly remove: readonly Stored<EndpointSlice>[];
}

interface Group {
  readonly ports: readonly DiscoveryEndpointPort[];
  /** By pod uid. */
  readonly endpoints: Map<string, Endpoint>;
}

export function planSlices(world: SlicesWorld): SlicesPlan {
  const groups = groupEndpoints(world);
  const create: EndpointSlice[] = [];
  const update: EndpointSlice[] = [];
  const used = new Set<Stored<EndpointSlice>>();
  const live = world.slices.filter((slice) => !isDeleting(slice)).sort(byAge);
  for (const [key, group] of groups) {
    const present = live.filter((slice) => slice.addressType === addressType && keyOfSlice(slice) === key);
    const filled = fill(group, present);
    for (const { slice, endpoints } of filled) {
      if (slice === undefined) {
        create.push(sliceOf(world.service, group.ports, endpoints));
        continue;
      }
      used.add(slice);
      const next = updated(world.service, slice, endpoints);
      if (next !== undefined) update.push(next);
    }
  }
  return { create, update, remove: live.filter((slice) => !used.has(slice)) };
}

/** Pod addresses are 127.x.y.z. */
const addressType = "IPv4";

function groupEndpoints({ service, pods, nodeOf }: SlicesWorld): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const pod of pods) {
    if (isTerminal(pod) || (pod.status?.podIP ?? "") === "") continue;
    const ports = portsOf(service, pod);
    const key = portsKey(ports);
    let group = groups.get(key);
    if (group === undefined) {
      group = { ports: ports.map(slicePort), endpoints: new Map() };
      groups.set(key, group);
    }
    group.endpoints.set(pod.metadata.uid, endpointOf(service, pod, nodeOf(pod.spec?.nodeName ?? "")));
  }
  // A Service without pods has one empty slice, so that "no endpoints" can be told from "not looked at yet".
  if (groups.size === 0) groups.set("", { ports: [], endpoints: new Map() });
  return groups;
}

function slicePort({ name, port, protocol, appProtocol }: ResolvedPort): DiscoveryEndpointPort {
  return { name, port, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) };
}

function keyOfSlice({ ports }: EndpointSlice): string {
  const resolved = (ports ?? []).map(({ name = "", port = 0, protocol = "TCP", appProtocol }) => ({
    name,
    port,
    protocol,
    ...(appProtocol === undefined ? {} : { appProtocol }),
  }));
  return portsKey(resolved);
}

function endpointOf(service: Service, pod: Stored<Pod>, node: Node | undefined): Endpoint {
  const serving = isReady(pod);
  const terminating = isDeleting(pod);
  const ready = service.spec?.publishNotReadyAddresses === true || (serving && !terminating);
  const { nodeName, hostname, subdomain } = pod.spec ?? {};
  const zone = node?.metadata?.labels?.["topology.kubernetes.io/zone"];
  const isNamed = hostname !== undefined && subdomain !== undefined && subdomain === service.metadata?.name;
  return {
    addresses: [pod.status?.podIP ?? ""],
    conditions: { ready, serving, terminating },
    ...(isNamed ? { hostname } : {}),
    ...(nodeName === undefined ? {} : { nodeName }),
    targetRef: podReference(pod),
    ...(zone === undefined ? {} : { zone }),
  };
}

export function podReference({ metadata }: Stored<Pod>): {
  readonly kind: string;
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
} {
  return { kind: "Pod", name: metadata.name, namespace: metadata.namespace ?? "", uid: metadata.uid };
}

interface Filled {
  /** Undefined: to be made. */
  readonly slice: Stored<EndpointSlice> | undefined;
  readonly endpoints: Endpoint[];
}

/** Endpoints stay where they are; new ones fill up slices that have room; the rest gets new slices; empty ones go. */
function fill({ endpoints }: Group, present: readonly Stored<EndpointSlice>[]): readonly Filled[] {
  const left = new Map(endpoints);
  const filled: Filled[] = present.map((slice) => {
    const kept: Endpoint[] = [];
    for (const endpoint of slice.endpoints ?? []) {
      const uid = endpoint.targetRef?.uid ?? "";
      const next = left.get(uid);
      if (next === undefined || kept.length === limits.endpointsPerSliceMax) continue;
      left.delete(uid);
      kept.push(next);
    }
    return { slice, endpoints: kept };
  });
  for (const endpoint of left.values()) {
    let target = filled.find((entry) => entry.endpoints.length < limits.endpointsPerSliceMax);
    if (target === undefined) {
      target = { slice: undefined, endpoints: [] };
      filled.push(target);
    }
    target.endpoints.push(endpoint);
  }
  const used = filled.filter((entry) => entry.endpoints.length > 0);
  if (used.length > 0 || endpoints.size > 0) return used;
  return [filled[0] ?? { slice: undefined, endpoints: [] }];
}

function labelsOf(service: Stored<Service>): Record<string, string> {
  return {
    ...service.metadata.labels,
    ...(service.spec?.clusterIP === "None" ? { [headlessLabel]: "" } : {}),
    [serviceNameLabel]: service.metadata.name,
    [managedByLabel]: managedBy,
  };
}

function sliceOf(
  service: Stored<Service>,
  ports: readonly DiscoveryEndpointPort[],
  endpoints: readonly Endpoint[],
): EndpointSlice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      generateName: `${service.metadata.name}-`,
      namespace: service.metadata.namespace ?? "",
      labels: labelsOf(service),
      ownerReferences: [ownerReferenceTo(resources.services, service)],
    },
    addressType,
    endpoints,
    ports,
  };
}

/** The slice as it shall be; undefined when it is so already. */
function updated(
  service: Stored<Service>,
  slice: Stored<EndpointSlice>,
  endpoints: readonly Endpoint[],
): EndpointSlice | undefined {
  const labels = labelsOf(service);
  if (deepEqual(slice.endpoints ?? [], endpoints) && deepEqual(slice.metadata.labels, labels)) return undefined;
  return { ...slice, metadata: { ...slice.metadata, labels }, endpoints };
}
