// The downward API: fields of the pod as text, for environment variables and volume files. Pure.
// https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
import type { Container, Pod, ResourceFieldSelector } from "@wherry/kube";
import { configError } from "../errors.ts";

/** What is known of the pod only here. */
export interface PodFacts {
  readonly pod: Pod;
  readonly podIP: string;
  readonly hostIP: string;
  readonly allocatable: Readonly<Record<string, string>>;
}

/** @throws WherryError `AGENT_CONTAINER_CONFIG` for a path that isn't offered. */
export function fieldValue(facts: PodFacts, path: string): string {
  const { metadata, spec } = facts.pod;
  const keyed = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(path);
  if (keyed !== null)
    return own(keyed[1] === "labels" ? metadata?.labels : metadata?.annotations, keyed[2] ?? "") ?? "";
  switch (path) {
    case "metadata.name":
      return metadata?.name ?? "";
    case "metadata.namespace":
      return metadata?.namespace ?? "";
    case "metadata.uid":
      return metadata?.uid ?? "";
    case "metadata.labels":
      return lines(metadata?.labels);
    case "metadata.annotations":
      return lines(metadata?.annotations);
    case "spec.nodeName":
      return spec?.nodeName ?? "";
    case "spec.serviceAccountName":
      return spec?.serviceAccountName ?? "";
    case "status.podIP":
    case "status.podIPs":
      return facts.podIP;
    case "status.hostIP":
    case "status.hostIPs":
      return facts.hostIP;
    default:
      throw configError(
        `fieldRef ${JSON.stringify(path)} is not a field of the downward API: see kubectl explain pod.spec.containers.env.valueFrom.fieldRef`,
      );
  }
}

/** A resource amount in units of the divisor, rounded up; a missing limit is what the node can give. */
export function resourceValue(
  facts: PodFacts,
  container: Container | undefined,
  selector: ResourceFieldSelector,
): string {
  const match = /^(limits|requests)\.(.+)$/.exec(selector.resource);
  const [, kind, name = ""] = match ?? [];
  if (kind === undefined)
    throw configError(
      `resourceFieldRef.resource ${JSON.stringify(selector.resource)} must start with limits. or requests.`,
    );
  const limits = own(container?.resources?.limits, name);
  const amount =
    kind === "limits"
      ? (limits ?? facts.allocatable[name] ?? "0")
      : (own(container?.resources?.requests, name) ?? limits ?? "0");
  const divisor = selector.divisor === undefined || selector.divisor === "0" ? 1 : quantity(selector.divisor);
  return String(Math.ceil(quantity(amount) / divisor - 1e-9));
}

function own(map: Readonly<Record<string, string>> | undefined, key: string): string | undefined {
  return map !== undefined && Object.hasOwn(map, key) ? map[key] : undefined;
}

/** Sorted `key="value"` lines with Go's quoting of the value. */
function lines(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join("\n");
}

const suffixes: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** The API has validated it; as a number, which is exact enough for what a container is told. */
function quantity(text: string): number {
  const match = /^([+-]?[0-9.]+(?:[eE][+-]?\d+)?)([a-zA-Z]*)$/.exec(text);
  return match === null ? 0 : Number(match[1]) * (suffixes[match[2] ?? ""] ?? 0);
}
