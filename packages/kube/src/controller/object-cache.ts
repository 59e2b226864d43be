// The objects of one resource, with their indexes. Knows nothing of lists and watches; every change is told to the listener
// after the cache shows it. Objects are frozen when they come in.
import type { KubeObject, Stored } from "../types/index.ts";
import { deepFreeze } from "../value.ts";
import { keyOf } from "./key.ts";
import type { Key } from "./types.ts";

export type Change<T extends KubeObject> = (next: Stored<T> | undefined, previous: Stored<T> | undefined) => void;

/** Objects by key, with the list of them, which is made once and kept until something changes. */
class Bucket<T extends KubeObject> {
  readonly byKey = new Map<Key, Stored<T>>();
  #list: readonly Stored<T>[] | undefined;

  get list(): readonly Stored<T>[] {
    this.#list ??= Object.freeze([...this.byKey.values()]);
    return this.#list;
  }

  set(key: Key, object: Stored<T>): void {
    this.byKey.set(key, object);
    this.#list = undefined;
  }

  delete(key: Key): void {
    this.byKey.delete(key);
    this.#list = undefined;
  }
}

/** Buckets by a value that objects have: a namespace, a node's name. */
class Index<T extends KubeObject> {
  readonly #valuesOf: (object: Stored<T>) => readonly string[];
  readonly #buckets = new Map<string, Bucket<T>>();

  constructor(valuesOf: (object: Stored<T>) => readonly string[]) {
    this.#valuesOf = valuesOf;
  }

  list(value: string): readonly Stored<T>[] {
    return this.#buckets.get(value)?.list ?? [];
  }

  replace(key: Key, next: Stored<T> | undefined, previous: Stored<T> | undefined): void {
    const values = next === undefined ? [] : this.#valuesOf(next);
    for (const value of previous === undefined ? [] : this.#valuesOf(previous)) {
      if (!values.includes(value)) this.#remove(value, key);
    }
    for (const value of values) {
      let bucket = this.#buckets.get(value);
      if (bucket === undefined) this.#buckets.set(value, (bucket = new Bucket()));
      bucket.set(key, next as Stored<T>);
    }
  }

  #remove(value: string, key: Key): void {
    const bucket = this.#buckets.get(value);
    bucket?.delete(key);
    if (bucket?.byKey.size === 0) this.#buckets.delete(value);
  }
}

export class ObjectCache<T extends KubeObject> {
  readonly #changed: Change<T>;
  readonly #all = new Bucket<T>();
  readonly #namespaces = new Index<T>((object) => [object.metadata.namespace ?? ""]);
  readonly #indexes = new Map<string, Index<T>>();

  constructor(changed: Change<T>) {
    this.#changed = changed;
  }

  get(key: Key): Stored<T> | undefined {
    return this.#all.byKey.get(key);
  }

  list(namespace?: string): readonly Stored<T>[] {
    return namespace === undefined ? this.#all.list : this.#namespaces.list(namespace);
  }

  /** @returns undefined when there is no such index. */
  byIndex(index: string, value: string): readonly Stored<T>[] | undefined {
    return this.#indexes.get(index)?.list(value);
  }

  addIndex(name: string, valuesOf: (object: Stored<T>) => readonly string[]): void {
    const index = new Index(valuesOf);
    for (const [key, object] of this.#all.byKey) index.replace(key, object, undefined);
    this.#indexes.set(name, index);
  }

  /** Adds or replaces one. The version that is there already is no change. */
  put(object: Stored<T>): void {
    const key = keyOf(object);
    const previous = this.get(key);
    if (previous?.metadata.uid === object.metadata.uid) {
      if (previous.metadata.resourceVersion !== object.metadata.resourceVersion) this.#replace(key, object, previous);
      return;
    }
    // Another object of the same name: the deletion of the first was missed, and is told now.
    if (previous !== undefined) this.#replace(key, undefined, previous);
    this.#replace(key, object, undefined);
  }

  /** Listeners hear the last state as the server sent it with the deletion. */
  remove(object: Stored<T>): void {
    const key = keyOf(object);
    const previous = this.get(key);
    if (previous !== undefined) this.#replace(key, undefined, previous, deepFreeze(object));
  }

  /** Makes the cache hold exactly these, and tells the difference. */
  replaceAll(objects: readonly Stored<T>[]): void {
    const keys = new Set(objects.map(keyOf));
    for (const [key, previous] of [...this.#all.byKey]) {
      if (!keys.has(key)) this.#replace(key, undefined, previous);
    }
    for (const object of objects) this.put(object);
  }

  #replace(key: Key, next: Stored<T> | undefined, previous: Stored<T> | undefined, told = previous): void {
    if (next === undefined) this.#all.delete(key);
    else this.#all.set(key, deepFreeze(next));
    this.#namespaces.replace(key, next, previous);
    for (const index of this.#indexes.values()) index.replace(key, next, previous);
    this.#changed(next, told);
  }
}
