// What values may be, as tables by definition and field. The sources are the validation functions of
// k8s.io/kubernetes pkg/apis/{core,apps,discovery,policy}/validation; rules that need more than one field are in the files beside.
import {
  isConfigKey,
  isDnsSubdomain,
  isEnvName,
  isLabelKey,
  isPortName,
  type NameRule,
  nameProblems,
} from "../names.ts";

/** The rule for `metadata.name`; a kind that is not here has names that are DNS subdomains. */
export const nameRules: { readonly [kind: string]: NameRule } = { Namespace: "label", Service: "label1035" };

type Table<T> = { readonly [definition: string]: { readonly [field: string]: T } };

const protocols = ["TCP", "UDP", "SCTP"];
const pullPolicies = ["Always", "IfNotPresent", "Never"];
const taintEffects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
const container = {
  imagePullPolicy: pullPolicies,
  terminationMessagePolicy: ["File", "FallbackToLogsOnError"],
};

export const allowedValues: Table<readonly string[]> = {
  Container: container,
  ContainerPort: { protocol: protocols },
  ContainerResizePolicy: { restartPolicy: ["NotRequired", "RestartContainer"] },
  DeploymentStrategy: { type: ["Recreate", "RollingUpdate"] },
  DiscoveryEndpointPort: { protocol: protocols },
  EmptyDirVolumeSource: { medium: ["", "Memory", "HugePages"] },
  EndpointPort: { protocol: protocols },
  EndpointSlice: { addressType: ["IPv4", "IPv6", "FQDN"] },
  EphemeralContainer: container,
  HTTPGetAction: { scheme: ["HTTP", "HTTPS"] },
  LabelSelectorRequirement: { operator: ["In", "NotIn", "Exists", "DoesNotExist"] },
  NodeSelectorRequirement: { operator: ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] },
  PodDisruptionBudgetSpec: { unhealthyPodEvictionPolicy: ["IfHealthyBudget", "AlwaysAllow"] },
  PodSpec: {
    dnsPolicy: ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
    preemptionPolicy: ["PreemptLowerPriority", "Never"],
    restartPolicy: ["Always", "OnFailure", "Never"],
  },
  ServicePort: { protocol: protocols },
  ServiceSpec: {
    externalTrafficPolicy: ["Cluster", "Local"],
    internalTrafficPolicy: ["Cluster", "Local"],
    ipFamilyPolicy: ["SingleStack", "PreferDualStack", "RequireDualStack"],
    sessionAffinity: ["ClientIP", "None"],
    type: ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"],
  },
  Taint: { effect: taintEffects },
  Toleration: { effect: ["", ...taintEffects], operator: ["", "Equal", "Exists"] },
  TopologySpreadConstraint: {
    nodeAffinityPolicy: ["Ignore", "Honor"],
    nodeTaintsPolicy: ["Ignore", "Honor"],
    whenUnsatisfiable: ["DoNotSchedule", "ScheduleAnyway"],
  },
  VolumeMount: { mountPropagation: ["Bidirectional", "HostToContainer", "None"] },
};

/** Lowest and highest; an open end is Infinity. */
export const ranges: Table<readonly [number, number]> = {
  ClientIPConfig: { timeoutSeconds: [1, 86_400] },
  ConfigMapVolumeSource: { defaultMode: [0, 0o777] },
  ContainerPort: { containerPort: [1, 65_535], hostPort: [1, 65_535] },
  DeploymentSpec: {
    minReadySeconds: [0, Infinity],
    progressDeadlineSeconds: [0, Infinity],
    replicas: [0, Infinity],
    revisionHistoryLimit: [0, Infinity],
  },
  DiscoveryEndpointPort: { port: [1, 65_535] },
  DownwardAPIVolumeFile: { mode: [0, 0o777] },
  DownwardAPIVolumeSource: { defaultMode: [0, 0o777] },
  EndpointPort: { port: [1, 65_535] },
  GRPCAction: { port: [1, 65_535] },
  HTTPGetAction: { port: [1, 65_535] },
  KeyToPath: { mode: [0, 0o777] },
  PodSecurityContext: { fsGroup: [0, 2_147_483_647], runAsGroup: [0, 2_147_483_647], runAsUser: [0, 2_147_483_647] },
  PodSpec: { activeDeadlineSeconds: [1, 2_147_483_647], terminationGracePeriodSeconds: [0, Infinity] },
  PreferredSchedulingTerm: { weight: [1, 100] },
  Probe: {
    failureThreshold: [1, Infinity],
    initialDelaySeconds: [0, Infinity],
    periodSeconds: [1, Infinity],
    successThreshold: [1, Infinity],
    terminationGracePeriodSeconds: [1, Infinity],
    timeoutSeconds: [1, Infinity],
  },
  ProjectedVolumeSource: { defaultMode: [0, 0o777] },
  ReplicaSetSpec: { minReadySeconds: [0, Infinity], replicas: [0, Infinity] },
  ScaleSpec: { replicas: [0, Infinity] },
  SecretVolumeSource: { defaultMode: [0, 0o777] },
  SecurityContext: { runAsGroup: [0, 2_147_483_647], runAsUser: [0, 2_147_483_647] },
  ServiceAccountTokenProjection: { expirationSeconds: [600, 2 ** 32] },
  ServicePort: { nodePort: [0, 65_535], port: [1, 65_535], targetPort: [1, 65_535] },
  SleepAction: { seconds: [0, Infinity] },
  TCPSocketAction: { port: [1, 65_535] },
  TokenRequestSpec: { expirationSeconds: [600, 2 ** 32] },
  TopologySpreadConstraint: { maxSkew: [1, Infinity], minDomains: [1, Infinity] },
  WeightedPodAffinityTerm: { weight: [1, 100] },
};

/** What is wrong with a text; empty when nothing is. */
export type TextRule = (text: string) => readonly string[];

const ruled =
  (holds: (text: string) => boolean, message: string): TextRule =>
  (text) =>
    holds(text) ? [] : [message];

const label: TextRule = (text) => nameProblems("label", text);
const subdomain: TextRule = (text) => nameProblems("subdomain", text);
const configKey: TextRule = ruled(
  isConfigKey,
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
);
const portName = ruled(
  isPortName,
  "must be no more than 15 characters, lower case alphanumerics and '-', with at least one letter (IANA_SVC_NAME)",
);
/** A path below a volume: it must not leave it. */
const relative = ruled(
  (text) => !text.startsWith("/") && !text.split("/").includes(".."),
  "must be a relative path and must not contain '..'",
);
const noColon = ruled((text) => !text.includes(":"), "must not contain ':'");
const envName = ruled(
  isEnvName,
  "a valid environment variable name must consist only of printable ASCII characters other than '='",
);
const ip: TextRule = ruled(
  (text) =>
    /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/.test(text) || /^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$/.test(text),
  "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
);
const image = ruled((text) => text === text.trim(), "must not have leading or trailing whitespace");
const labelKey: TextRule = ruled(
  isLabelKey,
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
);
export { configKey as configKeyRule, ip as ipRule, labelKey as labelKeyRule };

/** Rules for texts that are not empty; whether they may be is `required`'s business. */
export const texts: Table<TextRule> = {
  ConfigMapKeySelector: { key: configKey },
  Container: { image, name: label },
  ContainerPort: { hostIP: ip, name: portName },
  DownwardAPIVolumeFile: { path: relative },
  EndpointAddress: { ip },
  EnvVar: { name: envName },
  EphemeralContainer: { image, name: label },
  GitRepoVolumeSource: { directory: relative },
  HTTPGetAction: { port: portName },
  HostAlias: { ip },
  KeyToPath: { key: configKey, path: relative },
  LabelSelectorRequirement: { key: labelKey },
  LocalObjectReference: { name: subdomain },
  PodSpec: {
    hostname: label,
    nodeName: subdomain,
    priorityClassName: subdomain,
    runtimeClassName: subdomain,
    serviceAccountName: subdomain,
    subdomain: label,
  },
  SecretKeySelector: { key: configKey },
  SecretVolumeSource: { secretName: subdomain },
  ServiceAccountTokenProjection: { path: relative },
  ServicePort: { name: label, targetPort: portName },
  ServiceSpec: { externalName: ruled((text) => isDnsSubdomain(text.replace(/\.$/, "")), "a DNS name") },
  TCPSocketAction: { port: portName },
  Taint: { key: labelKey },
  Toleration: { key: labelKey },
  TopologySpreadConstraint: { topologyKey: labelKey },
  Volume: { name: label },
  VolumeMount: { mountPath: noColon, subPath: relative, subPathExpr: relative },
};

/** Lists in which this field of the items must not come twice. */
export const uniqueBy: Table<string> = {
  Container: { ports: "name", volumeMounts: "mountPath" },
  PodSpec: { schedulingGates: "name", volumes: "name" },
  ServiceSpec: { ports: "name" },
};

/** Fields that definitions call required and that may still be empty text. */
export const mayBeEmpty: ReadonlySet<string> = new Set(["HTTPHeader.value", "Sysctl.value", "Taint.effect"]);
/** Definitions call it required, Kubernetes fills it in or leaves it be. */
export const notRequired: ReadonlySet<string> = new Set(["Event.metadata", "TopologySpreadConstraint.labelSelector"]);
