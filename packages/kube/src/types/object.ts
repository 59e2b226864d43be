// Shapes that every kind shares. Objects are read-only: what comes from a cache or the store is shared, and is frozen.
import type { ListMeta, ObjectMeta, Status } from "./generated/definitions.ts";

/** Any object with metadata, as it travels: JSON. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: ObjectMeta;
}

/** An object as the API answers it: named, and with a version. */
export type Stored<T extends KubeObject> = T & {
  readonly metadata: ObjectMeta & { readonly name: string; readonly uid: string; readonly resourceVersion: string };
};

export interface KubeList<T extends KubeObject> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ListMeta;
  readonly items: readonly Stored<T>[];
}

/** https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes */
export type WatchEvent<T extends KubeObject = KubeObject> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK"; readonly object: Stored<T> }
  | { readonly type: "ERROR"; readonly object: Status };

/** JSON of any shape, deeply changeable: what patches and defaulting work on before an object is frozen. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
/** The same type with every `readonly` removed, for building an object. */
export type Mutable<T> = T extends readonly (infer Item)[]
  ? Mutable<Item>[]
  : T extends object
    ? { -readonly [Key in keyof T]: Mutable<T[Key]> }
    : T;
