// The older form of a Service's endpoints: one Endpoints object (deprecated upstream since v1.33, still read by many).
// Mirrors upstream pkg/controller/endpoint/endpoints_controller.go. Pure.
import {
  deepEqual,
  type EndpointAddress,
  type EndpointPort,
  type Endpoints,
  type EndpointSubset,
  type Pod,
  type Service,
  type Stored,
} from "@wherry/kube";
import { limits } from "../limits.ts";
import { isDeleting } from "../objects.ts";
import { isReady, isTerminal } from "../pods.ts";
import { portsKey, portsOf } from "./ports.ts";
import { podReference } from "./slices.ts";

const overCapacity = "endpoints.kubernetes.io/over-capacity";
const headlessLabel = "service.kubernetes.io/headless";
const managedByLabel = "endpoints.kubernetes.io/managed-by";

interface Subset {
  readonly ports: readonly EndpointPort[];
  readonly ready: EndpointAddress[];
  readonly notReady: EndpointAddress[];
}

/** What the Endpoints object shall be; undefined when `present` is so already. */
export function planEndpoints(
  service: Stored<Service>,
  pods: readonly Stored<Pod>[],
  present: Stored<Endpoints> | undefined,
): Endpoints | undefined {
  const { subsets, truncated } = subsetsOf(service, pods);
  const others = Object.entries(present?.metadata.annotations ?? {}).filter(([key]) => key !== overCapacity);
  const annotations = Object.fromEntries(truncated ? [...others, [overCapacity, "truncated"]] : others);
  const labels = {
    ...service.metadata.labels,
    [managedByLabel]: "endpoint-controller",
    ...(service.spec?.clusterIP === "None" ? { [headlessLabel]: "" } : {}),
  };
  const next: Endpoints = {
    apiVersion: "v1",
    kind: "Endpoints",
    ...present,
    metadata: {
      ...present?.metadata,
      name: service.metadata.name,
      namespace: service.metadata.namespace ?? "",
      labels,
      annotations,
    },
    subsets,
  };
  const isSame =
    present !== undefined &&
    deepEqual(present.subsets ?? [], subsets) &&
    deepEqual(present.metadata.labels ?? {}, labels) &&
    deepEqual(present.metadata.annotations ?? {}, annotations);
  return isSame ? undefined : next;
}

function subsetsOf(
  service: Service,
  pods: readonly Stored<Pod>[],
): { readonly subsets: readonly EndpointSubset[]; readonly truncated: boolean } {
  const publishesAll = service.spec?.publishNotReadyAddresses === true;
  const groups = new Map<string, Subset>();
  let count = 0;
  let truncated = false;
  for (const pod of [...pods].sort(byAddress)) {
    if (isTerminal(pod) || (pod.status?.podIP ?? "") === "") continue;
    if (isDeleting(pod) && !publishesAll) continue;
    if (count === limits.endpointsAddressesMax) {
      truncated = true;
      break;
    }
    count++;
    const group = groupOf(groups, service, pod);
    (publishesAll || isReady(pod) ? group.ready : group.notReady).push(addressOf(service, pod));
  }
  const subsets = [...groups.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => subsetOf(group));
  return { subsets, truncated };
}

function groupOf(groups: Map<string, Subset>, service: Service, pod: Pod): Subset {
  const ports = portsOf(service, pod);
  const key = portsKey(ports);
  let group = groups.get(key);
  if (group === undefined) {
    group = {
      ports: ports.map(({ name, ...port }) => (name === "" ? port : { name, ...port })),
      ready: [],
      notReady: [],
    };
    groups.set(key, group);
  }
  return group;
}

function subsetOf({ ready, notReady, ports }: Subset): EndpointSubset {
  return {
    ...(ready.length === 0 ? {} : { addresses: ready }),
    ...(notReady.length === 0 ? {} : { notReadyAddresses: notReady }),
    ...(ports.length === 0 ? {} : { ports }),
  };
}

function addressOf(service: Service, pod: Stored<Pod>): EndpointAddress {
  const { nodeName, hostname, subdomain } = pod.spec ?? {};
  return {
    ip: pod.status?.podIP ?? "",
    ...(hostname !== undefined && subdomain === service.metadata?.name ? { hostname } : {}),
    ...(nodeName === undefined ? {} : { nodeName }),
    targetRef: podReference(pod),
  };
}

function byAddress(a: Stored<Pod>, b: Stored<Pod>): number {
  const [left, right] = [a.status?.podIP ?? "", b.status?.podIP ?? ""];
  return left < right ? -1 : left > right ? 1 : a.metadata.uid < b.metadata.uid ? -1 : 1;
}
