// Between stored text and objects. An object is turned into JSON once, when it is written, and parsed at most once, when
// somebody in this process wants to look into it. Parsed objects are frozen and shared.
import { cloneJson, deepFreeze, type KubeObject, type ObjectMeta, type Stored } from "@wherry/kube";
import type { Entry, Revision } from "../../store/types.ts";

/** An object that is being made: nothing in it is shared, so it may be changed. */
export type Draft = {
  apiVersion: string;
  kind: string;
  metadata: { -readonly [Field in keyof ObjectMeta]: ObjectMeta[Field] };
  spec?: unknown;
  status?: unknown;
  [field: string]: unknown;
};

export type StoredObject = Stored<KubeObject> & { readonly spec?: unknown; readonly status?: unknown };

/** A copy that may be changed. */
export const cloneDraft = (object: Draft | StoredObject): Draft => cloneJson(object) as unknown as Draft;

/** The JSON text of an object but for its resourceVersion, which is known only when the store takes it. */
export interface Encoded {
  readonly length: number;
  at(revision: Revision): string;
}

export function encode(draft: Draft): Encoded {
  const { kind, apiVersion, metadata, ...rest } = draft;
  const otherMetadata = { ...metadata };
  delete otherMetadata.resourceVersion;
  const head = `{"kind":${JSON.stringify(kind)},"apiVersion":${JSON.stringify(apiVersion)},"metadata":{"resourceVersion":"`;
  const tail = `",${JSON.stringify(otherMetadata).slice(1)}`;
  const restText = JSON.stringify(rest);
  const end = restText === "{}" ? "}" : `,${restText.slice(1)}`;
  return {
    length: head.length + tail.length + end.length + 16,
    at: (revision) => head + String(revision) + tail + end,
  };
}

interface Parsed {
  readonly revision: Revision;
  readonly object: StoredObject;
}

/** The newest parsed version of each key, and of every entry that the store itself still holds. */
export class ObjectCache {
  readonly #max: number;
  readonly #byKey = new Map<string, Parsed>();
  readonly #byEntry = new WeakMap<Entry, StoredObject>();

  /** @param max objects kept. */
  constructor(max: number) {
    this.#max = max;
  }

  of(entry: Entry): StoredObject {
    const parsed = this.#byKey.get(entry.key);
    if (parsed?.revision === entry.revision) return parsed.object;
    const known = this.#byEntry.get(entry);
    if (known !== undefined) return known;
    const object = deepFreeze(JSON.parse(entry.value) as StoredObject);
    if (parsed === undefined || parsed.revision < entry.revision) this.keep(entry, object);
    else this.#byEntry.set(entry, object);
    return object;
  }

  /** @param object what `entry.value` says, frozen. */
  keep(entry: Entry, object: StoredObject): void {
    this.#byEntry.set(entry, object);
    this.#byKey.delete(entry.key);
    this.#byKey.set(entry.key, { revision: entry.revision, object });
    if (this.#byKey.size <= this.#max) return;
    for (const oldest of this.#byKey.keys()) {
      this.#byKey.delete(oldest);
      break;
    }
  }

  forget(key: string): void {
    this.#byKey.delete(key);
  }
}
