// What an absent field means, per definition. Constants first; below them what depends on other fields. Source:
// SetDefaults_* of k8s.io/kubernetes pkg/apis/{core,apps,discovery}/v1/defaults.go. Admission's defaults (service account,
// tolerations, priority) are not here.
import type { Json } from "../types/index.ts";
import { isJsonObject, type JsonObject, setField } from "../value.ts";

/** `rw-r--r--`, decimal as JSON has it. */
const fileMode = 0o644;

export const constants: { readonly [definition: string]: { readonly [field: string]: Json } } = {
  AzureDiskVolumeSource: { cachingMode: "ReadWrite", kind: "Shared", fsType: "ext4", readOnly: false },
  ConfigMapVolumeSource: { defaultMode: fileMode },
  Container: { resources: {}, terminationMessagePath: "/dev/termination-log", terminationMessagePolicy: "File" },
  ContainerPort: { protocol: "TCP" },
  DeploymentSpec: { replicas: 1, strategy: {}, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 },
  DeploymentStrategy: { type: "RollingUpdate" },
  DiscoveryEndpointPort: { name: "", protocol: "TCP" },
  DownwardAPIVolumeSource: { defaultMode: fileMode },
  EndpointPort: { protocol: "TCP" },
  EphemeralContainer: {
    resources: {},
    terminationMessagePath: "/dev/termination-log",
    terminationMessagePolicy: "File",
  },
  GRPCAction: { service: "" },
  HTTPGetAction: { path: "/", scheme: "HTTP" },
  HostPathVolumeSource: { type: "" },
  ISCSIVolumeSource: { iscsiInterface: "default" },
  NamespaceStatus: { phase: "Active" },
  ObjectFieldSelector: { apiVersion: "v1" },
  PersistentVolumeClaimSpec: { volumeMode: "Filesystem" },
  PodSpec: {
    dnsPolicy: "ClusterFirst",
    restartPolicy: "Always",
    schedulerName: "default-scheduler",
    securityContext: {},
    terminationGracePeriodSeconds: 30,
  },
  Probe: { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 },
  ProjectedVolumeSource: { defaultMode: fileMode },
  RBDVolumeSource: { pool: "rbd", user: "admin", keyring: "/etc/ceph/keyring" },
  ReplicaSetSpec: { replicas: 1 },
  ResourceFieldSelector: { divisor: "0" },
  RollingUpdateDeployment: { maxSurge: "25%", maxUnavailable: "25%" },
  ScaleIOVolumeSource: { storageMode: "ThinProvisioned", fsType: "xfs" },
  Secret: { type: "Opaque" },
  SecretVolumeSource: { defaultMode: fileMode },
  ServiceAccountTokenProjection: { expirationSeconds: 3600 },
  ServicePort: { protocol: "TCP" },
  ServiceSpec: { sessionAffinity: "None", type: "ClusterIP" },
};

const text = (value: Json | undefined): string => (typeof value === "string" ? value : "");
const missing = (object: JsonObject, key: string): boolean => object[key] === undefined || object[key] === null;
const setMissing = (object: JsonObject, key: string, value: Json): void => {
  if (missing(object, key)) setField(object, key, value);
};
const objects = (value: Json | undefined): JsonObject[] => (Array.isArray(value) ? value.filter(isJsonObject) : []);

/** `Always` for `:latest` and for no tag at all, else `IfNotPresent`. */
export function pullPolicyOf(image: string): "Always" | "IfNotPresent" {
  if (image.includes("@")) return "IfNotPresent";
  const name = image.slice(image.lastIndexOf("/") + 1);
  const tag = name.includes(":") ? name.slice(name.indexOf(":") + 1) : "latest";
  return tag === "latest" ? "Always" : "IfNotPresent";
}

const container = (object: JsonObject): void =>
  setMissing(object, "imagePullPolicy", pullPolicyOf(text(object["image"])));

/** A request that is not given equals the limit. Of pods only: a template keeps what was written. */
function requestsFromLimits(pod: JsonObject): void {
  const { spec } = pod;
  if (!isJsonObject(spec)) return;
  setMissing(spec, "enableServiceLinks", true);
  for (const { resources } of [...objects(spec["containers"]), ...objects(spec["initContainers"])]) {
    if (!isJsonObject(resources) || !isJsonObject(resources["limits"])) continue;
    const requests = isJsonObject(resources["requests"]) ? { ...resources["requests"] } : {};
    for (const [name, limit] of Object.entries(resources["limits"])) setMissing(requests, name, limit);
    resources["requests"] = requests;
  }
}

function podSpec(spec: JsonObject): void {
  // `serviceAccount` is the old name of the same field; both are always shown.
  const account = text(spec["serviceAccountName"]) || text(spec["serviceAccount"]);
  if (account !== "") Object.assign(spec, { serviceAccountName: account, serviceAccount: account });
  if (spec["hostNetwork"] !== true) return;
  for (const { ports } of [...objects(spec["containers"]), ...objects(spec["initContainers"])])
    for (const port of objects(ports)) if (!port["hostPort"]) setField(port, "hostPort", port["containerPort"] ?? 0);
}

function service(object: JsonObject): void {
  setMissing(object, "status", {});
  if (isJsonObject(object["status"])) setMissing(object["status"], "loadBalancer", {});
}

function serviceSpec(spec: JsonObject): void {
  const type = text(spec["type"]);
  if (spec["sessionAffinity"] === "ClientIP")
    setMissing(spec, "sessionAffinityConfig", { clientIP: { timeoutSeconds: 10_800 } });
  else Reflect.deleteProperty(spec, "sessionAffinityConfig");
  if (type === "ExternalName") return;
  setMissing(spec, "internalTrafficPolicy", "Cluster");
  setMissing(spec, "ipFamilies", ["IPv4"]);
  setMissing(spec, "ipFamilyPolicy", "SingleStack");
  if (text(spec["clusterIP"]) !== "") setMissing(spec, "clusterIPs", [text(spec["clusterIP"])]);
  if (type === "NodePort" || type === "LoadBalancer") setMissing(spec, "externalTrafficPolicy", "Cluster");
  if (type === "LoadBalancer") setMissing(spec, "allocateLoadBalancerNodePorts", true);
}

function servicePort(port: JsonObject): void {
  if (missing(port, "targetPort") || port["targetPort"] === 0 || port["targetPort"] === "")
    setField(port, "targetPort", port["port"] ?? 0);
}

/** `stringData` is a way to write: it goes into `data` and is never read back. */
function secret(object: JsonObject): void {
  const { stringData } = object;
  if (!isJsonObject(stringData)) return;
  const data: JsonObject = isJsonObject(object["data"]) ? { ...object["data"] } : {};
  for (const [key, value] of Object.entries(stringData))
    setField(data, key, Buffer.from(text(value)).toString("base64"));
  object["data"] = data;
  Reflect.deleteProperty(object, "stringData");
}

function namespace(object: JsonObject): void {
  setMissing(object, "status", {});
  setMissing(object, "spec", {});
  const { metadata } = object;
  if (!isJsonObject(metadata) || text(metadata["name"]) === "") return;
  const labels: JsonObject = isJsonObject(metadata["labels"]) ? { ...metadata["labels"] } : {};
  metadata["labels"] = { ...labels, "kubernetes.io/metadata.name": text(metadata["name"]) };
}

function volume(object: JsonObject): void {
  if (Object.keys(object).every((key) => key === "name" || object[key] === null)) object["emptyDir"] = {};
}

/** Run after the constants of the same definition, before what lies below it. They change the object in place. */
export const computed: { readonly [definition: string]: (object: JsonObject) => void } = {
  Container: container,
  DeploymentStrategy: (strategy) => {
    if (strategy["type"] === "RollingUpdate") setMissing(strategy, "rollingUpdate", {});
  },
  EphemeralContainer: container,
  ImageVolumeSource: (source) => setMissing(source, "pullPolicy", pullPolicyOf(text(source["reference"]))),
  Namespace: namespace,
  NodeStatus: (status) => {
    if (!missing(status, "capacity")) setMissing(status, "allocatable", status["capacity"] ?? {});
  },
  Pod: requestsFromLimits,
  PodSpec: podSpec,
  Secret: secret,
  Service: service,
  ServicePort: servicePort,
  ServiceSpec: serviceSpec,
  Volume: volume,
};
