// Which fields of a pod a runtime can't honour. Nothing is ignored silently: the agent says these in one event per pod.
import type { Container, Pod } from "@wherry/kube";

/** Field paths with what is done instead, for the `process` runtime. Empty: all is honoured. */
export function notHonoured(pod: Pod): readonly string[] {
  const spec = pod.spec;
  if (spec === undefined) return [];
  const found = new Set<string>();
  const say = (when: unknown, text: string): void => {
    if (when !== undefined && when !== false && !isEmpty(when)) found.add(text);
  };
  say(spec.securityContext, "securityContext (processes run as the user of the cluster)");
  say(spec.hostPID === true || spec.hostIPC === true, "hostPID, hostIPC (processes share the machine's)");
  say(spec.runtimeClassName, "runtimeClassName");
  say(spec.hostAliases, "hostAliases");
  say(spec.dnsConfig, "dnsConfig");
  say(spec.shareProcessNamespace, "shareProcessNamespace (always shared)");
  say(spec.ephemeralContainers, "ephemeralContainers");
  say(spec.setHostnameAsFQDN, "setHostnameAsFQDN");
  say(spec.imagePullSecrets, "imagePullSecrets (images name local programs)");
  for (const container of [...(spec.initContainers ?? []), ...spec.containers]) ofContainer(container, say);
  return [...found];
}

function ofContainer(container: Container, say: (when: unknown, text: string) => void): void {
  say(container.securityContext, "containers.securityContext (processes run as the user of the cluster)");
  say(container.resources?.limits, "containers.resources.limits (not enforced)");
  say(container.stdin === true || container.tty === true, "containers.stdin, tty");
  say(container.volumeDevices, "containers.volumeDevices");
  const mounts = (container.volumeMounts ?? []).filter((mount) => mount.mountPath !== serviceAccountMountPath);
  say(
    mounts,
    "containers.volumeMounts (not mounted: paths in command, args, env and workingDir lead to the volume, WHERRY_VOLUME_<NAME> names it)",
  );
  say(
    mounts.some((mount) => mount.readOnly === true),
    "containers.volumeMounts.readOnly",
  );
  say(
    container.ports?.some((port) => (port.hostPort ?? 0) !== 0),
    "containers.ports.hostPort",
  );
  for (const probe of [container.startupProbe, container.livenessProbe, container.readinessProbe])
    say(probe?.grpc, "grpc probes (never succeed: use exec, httpGet or tcpSocket)");
  say(container.restartPolicyRules, "containers.restartPolicyRules");
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

/** Where Kubernetes puts a pod's token, CA and namespace. */
export const serviceAccountMountPath: string = "/var/run/secrets/kubernetes.io/serviceaccount";
