// Rows of what is not a workload: nodes, events, services and their endpoints. (k8s.io/kubernetes
// pkg/printers/internalversion)
import { age } from "../time.ts";
import type { Endpoints, EndpointSlice, Event, EventSource, Node, Service } from "../types/index.ts";
import {
  ageColumn,
  type Column,
  joined,
  labelsText,
  nameColumn,
  none,
  orNone,
  shortened,
  text,
  wide,
} from "./column.ts";

const rolePrefix = "node-role.kubernetes.io/";

function nodeStatus(node: Node): string {
  const ready = (node.status?.conditions ?? []).find(({ type }) => type === "Ready");
  const word = ready === undefined ? "Unknown" : ready.status === "True" ? "Ready" : "NotReady";
  return node.spec?.unschedulable === true ? `${word},SchedulingDisabled` : word;
}

function nodeRoles({ metadata }: Node): string {
  const labels = Object.entries(metadata?.labels ?? {});
  const roles = labels.flatMap(([key, value]) => {
    if (key.startsWith(rolePrefix)) return [key.slice(rolePrefix.length)];
    return key === "kubernetes.io/role" && value !== "" ? [value] : [];
  });
  return joined([...new Set(roles.filter((role) => role !== ""))].toSorted());
}

const address = (node: Node, type: string): string =>
  orNone((node.status?.addresses ?? []).find((one) => one.type === type)?.address);
const info = (value: string | undefined): string => (value === undefined || value === "" ? "<unknown>" : value);

export const nodeColumns: readonly Column<Node>[] = [
  nameColumn,
  text("Status", "Whether it is ready for pods", nodeStatus),
  text("Roles", "What the node-role labels say", nodeRoles),
  ageColumn,
  text("Version", "Version of the node agent", (node) => node.status?.nodeInfo?.kubeletVersion ?? ""),
  wide("Internal-IP", "Address inside the cluster", (node) => address(node, "InternalIP")),
  wide("External-IP", "Address from outside", (node) => address(node, "ExternalIP")),
  wide("OS-Image", "Operating system", (node) => info(node.status?.nodeInfo?.osImage)),
  wide("Kernel-Version", "Version of the kernel", (node) => info(node.status?.nodeInfo?.kernelVersion)),
  wide("Container-Runtime", "What runs the containers", (node) => info(node.status?.nodeInfo?.containerRuntimeVersion)),
];

const firstSeen = (event: Event, nowMs: number): string => age(event.firstTimestamp ?? event.eventTime, nowMs);

function lastSeen(event: Event, nowMs: number): string {
  if (event.series?.lastObservedTime !== undefined) return age(event.series.lastObservedTime, nowMs);
  return event.lastTimestamp === undefined ? firstSeen(event, nowMs) : age(event.lastTimestamp, nowMs);
}

function eventObject({ involvedObject: { kind = "", name = "" } }: Event): string {
  return name === "" ? kind.toLowerCase() : `${kind.toLowerCase()}/${name}`;
}

function eventSource(event: Event): string {
  const source: EventSource = event.source ?? {};
  const component = source.component ?? event.reportingComponent ?? "";
  const host = source.host ?? event.reportingInstance ?? "";
  return host === "" ? component : `${component}, ${host}`;
}

/** Events have no name of use to a reader, so the table begins with when. */
export const eventColumns: readonly Column<Event>[] = [
  text("Last Seen", "Time since it happened last", lastSeen),
  text("Type", "Normal or Warning", (event) => event.type ?? ""),
  text("Reason", "Why, in one word", (event) => event.reason ?? ""),
  text("Object", "What it happened to", eventObject),
  wide("Subobject", "The part of the object", (event) => event.involvedObject.fieldPath ?? ""),
  wide("Source", "Who tells it", eventSource),
  text("Message", "What happened", (event) => (event.message ?? "").trim()),
  wide("First Seen", "Time since it happened first", firstSeen),
  { ...wide("Count", "How often", (event: Event) => event.series?.count ?? (event.count || 1)), type: "integer" },
  { ...wide("Name", "Name of the event itself", (event: Event) => event.metadata.name ?? ""), format: "name" },
];

function externalAddresses({ spec, status }: Service): string {
  const given = spec?.externalIPs ?? [];
  if (spec?.type === "ExternalName") return orNone(spec.externalName);
  if (spec?.type !== "LoadBalancer") return joined(given);
  const balancers = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip ?? hostname ?? "");
  const all = [...balancers, ...given];
  return all.length === 0 ? "<pending>" : all.join(",");
}

const servicePorts = ({ spec }: Service): string =>
  joined(
    (spec?.ports ?? []).map(({ port, nodePort = 0, protocol = "TCP" }) =>
      nodePort === 0 ? `${port}/${protocol}` : `${port}:${nodePort}/${protocol}`,
    ),
  );

export const serviceColumns: readonly Column<Service>[] = [
  nameColumn,
  text("Type", "How the service is reached", ({ spec }) => spec?.type ?? ""),
  text("Cluster-IP", "Its address inside the cluster", ({ spec }) => orNone(spec?.clusterIPs?.[0] ?? spec?.clusterIP)),
  text("External-IP", "Its addresses from outside", externalAddresses),
  text("Port(s)", "Its ports, with the nodes' ports behind the colon", servicePorts),
  ageColumn,
  wide("Selector", "Labels of the pods behind it", ({ spec }) => labelsText(spec?.selector)),
];

const hostPort = (ip: string, port: number): string => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`);

function endpointTexts({ subsets = [] }: Endpoints): string[] {
  return subsets.flatMap(({ addresses = [], ports = [] }) =>
    ports.length === 0
      ? addresses.map(({ ip }) => ip)
      : ports.flatMap(({ port }) => addresses.map(({ ip }) => hostPort(ip, port))),
  );
}

export const endpointsColumns: readonly Column<Endpoints>[] = [
  nameColumn,
  text("Endpoints", "Addresses that are ready", (endpoints) => shortened(endpointTexts(endpoints), none)),
  ageColumn,
];

export const endpointSliceColumns: readonly Column<EndpointSlice>[] = [
  nameColumn,
  text("AddressType", "Kind of the addresses", ({ addressType }) => addressType),
  text("Ports", "Ports of every endpoint", ({ ports = [] }) =>
    shortened(
      ports.map(({ port, name = "" }) => (port === undefined ? name || "*" : String(port))),
      "<unset>",
    ),
  ),
  text("Endpoints", "Addresses, ready or not", ({ endpoints }) =>
    shortened(
      // A slice without endpoints comes as null from servers written in Go.
      ((endpoints as EndpointSlice["endpoints"] | null) ?? []).flatMap(({ addresses }) => addresses),
      "<unset>",
    ),
  ),
  ageColumn,
];
