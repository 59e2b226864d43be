// What a column of `kubectl get` is: its definition as the API sends it, and how its cell is read from an object.
import type { KubeObject, LabelSelector, PodSpec } from "../types/index.ts";
import { selectorOf } from "../select/labels.ts";
import { age } from "../time.ts";

export type Cell = string | number;

/** meta.k8s.io/v1 TableColumnDefinition. */
export interface TableColumn {
  readonly name: string;
  readonly type: "string" | "integer";
  /** `name` marks the column that names the object. */
  readonly format: string;
  readonly description: string;
  /** 0 is always shown, 1 with `-o wide`. */
  readonly priority: number;
}

export interface Column<T extends KubeObject = KubeObject> extends TableColumn {
  readonly cell: (object: T, nowMs: number) => Cell;
}

type CellOf<T extends KubeObject> = (object: T, nowMs: number) => Cell;

export const text = <T extends KubeObject>(name: string, description: string, cell: CellOf<T>): Column<T> => ({
  name,
  type: "string",
  format: "",
  description,
  priority: 0,
  cell,
});
export const number = <T extends KubeObject>(name: string, description: string, cell: CellOf<T>): Column<T> => ({
  ...text(name, description, cell),
  type: "integer",
});
/** Shown with `-o wide` only. */
export const wide = <T extends KubeObject>(name: string, description: string, cell: CellOf<T>): Column<T> => ({
  ...text(name, description, cell),
  priority: 1,
});

export const nameColumn: Column = {
  ...text(
    "Name",
    "What the object is called; unique among its kind in a namespace",
    ({ metadata }) => metadata?.name ?? "",
  ),
  format: "name",
};
export const ageColumn: Column = text("Age", "Time since the object was created", ({ metadata }, nowMs) =>
  age(metadata?.creationTimestamp, nowMs),
);

export const none = "<none>";
export const orNone = (value: string | undefined): string => (value === undefined || value === "" ? none : value);
export const joined = (values: readonly string[]): string => orNone(values.join(","));

/** The first three, and how many more there are. */
export function shortened(values: readonly string[], empty: string, most = 3): string {
  if (values.length === 0) return empty;
  const more = values.length - most;
  return values.slice(0, most).join(",") + (more > 0 ? ` + ${more} more...` : "");
}

export const labelsText = (labels: { readonly [key: string]: string } | undefined): string =>
  joined(
    Object.entries(labels ?? {})
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => `${key}=${value}`),
  );

export const selectorText = (selector: LabelSelector | undefined): string =>
  selector === undefined ? none : orNone(selectorOf(selector).toString());

export const containerNames = (spec: PodSpec | undefined): string =>
  (spec?.containers ?? []).map(({ name }) => name).join(",");
export const containerImages = (spec: PodSpec | undefined): string =>
  (spec?.containers ?? []).map(({ image }) => image ?? "").join(",");
