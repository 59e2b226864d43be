// `kubectl get`: the columns of each kind and the cells of an object, as the API answers `as=Table`. All columns are always
// given; the client hides those of priority 1. https://kubernetes.io/docs/reference/using-api/api-concepts/
import type {
  ConfigMap,
  Deployment,
  KubeObject,
  Namespace,
  PodDisruptionBudget,
  ReplicaSet,
  Secret,
} from "../types/index.ts";
import { endpointsColumns, endpointSliceColumns, eventColumns, nodeColumns, serviceColumns } from "./cluster.ts";
import {
  ageColumn,
  type Cell,
  type Column,
  containerImages,
  containerNames,
  nameColumn,
  number,
  selectorText,
  type TableColumn,
  text,
  wide,
} from "./column.ts";
import { podColumns } from "./pod.ts";

type Workload = Deployment | ReplicaSet;

const templateColumns: readonly Column<Workload>[] = [
  wide("Containers", "Names of the template's containers", ({ spec }) => containerNames(spec?.template?.spec)),
  wide("Images", "Images of the template's containers", ({ spec }) => containerImages(spec?.template?.spec)),
  wide("Selector", "Labels of the pods that belong to it", ({ spec }) => selectorText(spec?.selector)),
];

const deploymentColumns: readonly Column<Deployment>[] = [
  nameColumn,
  text(
    "Ready",
    "Pods that are ready, of those wanted",
    ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
  ),
  number("Up-to-date", "Pods of the newest template", ({ status }) => status?.updatedReplicas ?? 0),
  number("Available", "Pods ready for long enough to count on", ({ status }) => status?.availableReplicas ?? 0),
  ageColumn,
  ...templateColumns,
];

const replicaSetColumns: readonly Column<ReplicaSet>[] = [
  nameColumn,
  number("Desired", "Pods that are wanted", ({ spec }) => spec?.replicas ?? 0),
  number("Current", "Pods that exist", ({ status }) => status?.replicas ?? 0),
  number("Ready", "Pods that are ready", ({ status }) => status?.readyReplicas ?? 0),
  ageColumn,
  ...templateColumns,
];

const count = (map: object | undefined): number => Object.keys(map ?? {}).length;

const namespaceColumns: readonly Column<Namespace>[] = [
  nameColumn,
  text("Status", "Active, or Terminating while it is emptied", ({ status }) => status?.phase ?? ""),
  ageColumn,
];
const configMapColumns: readonly Column<ConfigMap>[] = [
  nameColumn,
  number("Data", "Number of keys", ({ data, binaryData }) => count(data) + count(binaryData)),
  ageColumn,
];
const secretColumns: readonly Column<Secret>[] = [
  nameColumn,
  text("Type", "What the secret is for", ({ type }) => type ?? ""),
  number("Data", "Number of keys", ({ data }) => count(data)),
  ageColumn,
];
const budgetColumns: readonly Column<PodDisruptionBudget>[] = [
  nameColumn,
  text("Min Available", "Pods that must stay", ({ spec }) => String(spec?.minAvailable ?? "N/A")),
  text("Max Unavailable", "Pods that may be missing", ({ spec }) => String(spec?.maxUnavailable ?? "N/A")),
  number("Allowed Disruptions", "Pods that may be evicted now", ({ status }) => status?.disruptionsAllowed ?? 0),
  ageColumn,
];
const plainColumns: readonly Column[] = [nameColumn, ageColumn];

/** A kind that is not here has Name and Age. A column is only ever given objects of its own kind. */
const tables: { readonly [kind: string]: readonly Column<never>[] } = {
  ConfigMap: configMapColumns,
  Deployment: deploymentColumns,
  EndpointSlice: endpointSliceColumns,
  Endpoints: endpointsColumns,
  Event: eventColumns,
  Namespace: namespaceColumns,
  Node: nodeColumns,
  Pod: podColumns,
  PodDisruptionBudget: budgetColumns,
  ReplicaSet: replicaSetColumns,
  Secret: secretColumns,
  Service: serviceColumns,
};

const columnsOf = (kind: string): readonly Column<never>[] =>
  (Object.hasOwn(tables, kind) ? tables[kind] : undefined) ?? plainColumns;

/** The `columnDefinitions` of a Table. */
export const tableColumns = (kind: { readonly kind: string }): TableColumn[] =>
  columnsOf(kind.kind).map(({ name, type, format, description, priority }) => ({
    name,
    type,
    format,
    description,
    priority,
  }));

/** The `cells` of one row, in the order of `tableColumns`. */
export const tableRow = (kind: { readonly kind: string }, object: KubeObject, nowMs: number): Cell[] =>
  columnsOf(kind.kind).map(({ cell }) => cell(object as never, nowMs));

/** The `conditions` of one row: pods that are over can be told apart by the client. */
export const tableRowConditions = (kind: { readonly kind: string }, object: KubeObject): object[] => {
  const phase = kind.kind === "Pod" ? (object as { status?: { phase?: string } }).status?.phase : undefined;
  if (phase !== "Succeeded" && phase !== "Failed") return [];
  return [{ type: "Completed", status: "True", reason: phase, message: "The pod has run to its end." }];
};
