// The environment variables by which a pod finds Services (kubelet: pkg/kubelet/envvars/envvars.go).
import type { Service, Stored } from "@wherry/kube";

/**
 * Variables of the Services with an address, of the pod's own namespace and `kubernetes` of `default`. With `links` false
 * (`enableServiceLinks`) only the latter. On a clash the pod's own namespace wins.
 */
export function serviceVariables(
  services: readonly Stored<Service>[],
  namespace: string,
  links: boolean,
): Record<string, string> {
  const master = services.filter((s) => s.metadata.namespace === "default" && s.metadata.name === "kubernetes");
  const own = links ? services.filter((s) => s.metadata.namespace === namespace) : [];
  const variables: Record<string, string> = {};
  for (const service of [...master, ...own]) Object.assign(variables, variablesOf(service));
  return variables;
}

function variablesOf(service: Stored<Service>): Record<string, string> {
  const ip = service.spec?.clusterIP;
  const ports = service.spec?.ports ?? [];
  const first = ports[0];
  if (ip === undefined || ip === "" || ip === "None" || first === undefined) return {};
  const name = variableName(service.metadata.name);
  const variables: Record<string, string> = {
    [`${name}_SERVICE_HOST`]: ip,
    [`${name}_SERVICE_PORT`]: String(first.port),
    [`${name}_PORT`]: `${(first.protocol ?? "TCP").toLowerCase()}://${ip}:${first.port}`,
  };
  for (const port of ports) {
    if (port.name !== undefined && port.name !== "")
      variables[`${name}_SERVICE_PORT_${variableName(port.name)}`] = String(port.port);
    const protocol = port.protocol ?? "TCP";
    const prefix = `${name}_PORT_${port.port}_${protocol}`;
    variables[prefix] = `${protocol.toLowerCase()}://${ip}:${port.port}`;
    variables[`${prefix}_PROTO`] = protocol.toLowerCase();
    variables[`${prefix}_PORT`] = String(port.port);
    variables[`${prefix}_ADDR`] = ip;
  }
  return variables;
}

/** Upper case, `-` and `.` as `_`; a leading digit gets a `_` in front. */
export function variableName(name: string): string {
  const upper = name.toUpperCase().replace(/[-.]/g, "_");
  return /^\d/.test(upper) ? `_${upper}` : upper;
}
