// Which ports of a pod a Service's ports mean (upstream pkg/api/v1/pod/util.go FindPort, endpointslice/utils.go). Pure.
import type { Container, Pod, Service, ServicePort } from "@wherry/kube";

export interface ResolvedPort {
  /** Empty for a Service's only, unnamed port. */
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
  readonly appProtocol?: string;
}

/** A port that the pod doesn't have is left out. */
export function portsOf(service: Service, pod: Pod): readonly ResolvedPort[] {
  const resolved: ResolvedPort[] = [];
  for (const servicePort of service.spec?.ports ?? []) {
    const port = targetOf(servicePort, pod);
    if (port === undefined) continue;
    const { name = "", protocol = "TCP", appProtocol } = servicePort;
    resolved.push({ name, port, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) });
  }
  return resolved;
}

function targetOf({ targetPort, port, protocol = "TCP" }: ServicePort, pod: Pod): number | undefined {
  if (targetPort === undefined || targetPort === 0 || targetPort === "") return port;
  if (typeof targetPort === "number") return targetPort;
  for (const container of containersOf(pod))
    for (const candidate of container.ports ?? [])
      if (candidate.name === targetPort && (candidate.protocol ?? "TCP") === protocol) return candidate.containerPort;
  return undefined;
}

/** App containers first, then sidecars: init containers that keep running. */
function containersOf(pod: Pod): readonly Container[] {
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  return [...(pod.spec?.containers ?? []), ...sidecars];
}

/** The same text for the same ports in any order. */
export function portsKey(ports: readonly ResolvedPort[]): string {
  return ports
    .map(({ name, port, protocol, appProtocol = "" }) => `${name}/${protocol}/${port}/${appProtocol}`)
    .sort()
    .join(",");
}
