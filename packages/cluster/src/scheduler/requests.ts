// What a pod asks of a node, computed once per pod (upstream pkg/scheduler/framework/types.go, component-helpers resource).
// Resources as numbers: CPU in millicores, all others in whole units, so that a decision adds and compares doubles only.
import { type Container, parseQuantity, type Pod, quantityToNumber } from "@wherry/kube";
import { limits } from "./limits.ts";

/** Amounts by resource name. */
export type Amounts = ReadonlyMap<string, number>;

export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

export interface PodRequests {
  /** By name; `pods` is always 1. */
  readonly amounts: Amounts;
  /** CPU and memory with something assumed for containers that request nothing: for scoring. */
  readonly scoredMilliCpu: number;
  readonly scoredMemory: number;
  readonly hostPorts: readonly HostPort[];
}

function amountOf(resource: string, quantity: string): number {
  const parsed = parseQuantity(quantity);
  if (parsed === undefined) return 0;
  const number = quantityToNumber(parsed);
  return resource === "cpu" ? Math.round(number * 1000) : number;
}

/** `status.allocatable` of a node. */
export function amountsOf(list: { readonly [resource: string]: string } | undefined): Map<string, number> {
  return new Map(Object.entries(list ?? {}).map(([name, quantity]) => [name, amountOf(name, quantity)]));
}

export function requestsOf(pod: Pod): PodRequests {
  const spec = pod.spec;
  const amounts = combined(pod, (container) => amountsOf(container.resources?.requests));
  const scored = combined(pod, assumedOf);
  for (const [name, amount] of amountsOf(spec?.overhead)) {
    add(amounts, name, amount);
    add(scored, name, amount);
  }
  amounts.set("pods", 1);
  return {
    amounts,
    scoredMilliCpu: scored.get("cpu") ?? 0,
    scoredMemory: scored.get("memory") ?? 0,
    hostPorts: hostPortsOf(pod),
  };
}

/**
 * App containers and sidecars run at the same time; each other init container runs alone beside the sidecars before it:
 * the pod needs the larger of the two.
 */
function combined(pod: Pod, requestsOfContainer: (container: Container) => Map<string, number>): Map<string, number> {
  const running = new Map<string, number>();
  const peak = new Map<string, number>();
  const sidecars = new Map<string, number>();
  for (const container of pod.spec?.initContainers ?? []) {
    const requests = requestsOfContainer(container);
    if (container.restartPolicy === "Always") {
      for (const [name, amount] of requests) {
        add(sidecars, name, amount);
        add(running, name, amount);
        peak.set(name, Math.max(peak.get(name) ?? 0, sidecars.get(name) ?? 0));
      }
    } else
      for (const [name, amount] of requests)
        peak.set(name, Math.max(peak.get(name) ?? 0, amount + (sidecars.get(name) ?? 0)));
  }
  for (const container of pod.spec?.containers ?? [])
    for (const [name, amount] of requestsOfContainer(container)) add(running, name, amount);
  for (const [name, amount] of peak) running.set(name, Math.max(running.get(name) ?? 0, amount));
  for (const [name, quantity] of Object.entries(pod.spec?.resources?.requests ?? {}))
    running.set(name, amountOf(name, quantity));
  return running;
}

function assumedOf(container: Container): Map<string, number> {
  const requests = amountsOf(container.resources?.requests);
  return new Map([
    ["cpu", requests.get("cpu") ?? limits.assumedMilliCpu],
    ["memory", requests.get("memory") ?? limits.assumedMemoryBytes],
  ]);
}

function add(amounts: Map<string, number>, name: string, amount: number): void {
  amounts.set(name, (amounts.get(name) ?? 0) + amount);
}

function hostPortsOf(pod: Pod): HostPort[] {
  const ports: HostPort[] = [];
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  for (const container of [...(pod.spec?.containers ?? []), ...sidecars])
    for (const { hostPort, hostIP = "", protocol = "TCP" } of container.ports ?? [])
      if (hostPort !== undefined && hostPort > 0)
        ports.push({ ip: hostIP === "" ? "0.0.0.0" : hostIP, protocol, port: hostPort });
  return ports;
}
