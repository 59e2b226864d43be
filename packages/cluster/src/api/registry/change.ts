// One change of one object, shared by all watchers: its objects are parsed and its events encoded at most once.
import { deepFreeze } from "@wherry/kube";
import type { Entry, Revision, StoreEvent } from "../../store/types.ts";
import type { ApiWatchEvent } from "../types.ts";
import type { ObjectCache, StoredObject } from "./objects.ts";

export type ChangeType = "ADDED" | "MODIFIED" | "DELETED";

export class Change {
  readonly revision: Revision;
  readonly key: string;
  readonly #event: StoreEvent;
  readonly #cache: ObjectCache;
  readonly #encoded = new Map<string, ApiWatchEvent>();

  constructor(event: StoreEvent, cache: ObjectCache) {
    this.revision = event.revision;
    this.key = event.entry.key;
    this.#event = event;
    this.#cache = cache;
  }

  /** Of its JSON: what keeping it costs. */
  get characters(): number {
    return this.#event.entry.value.length;
  }

  /**
   * What a watcher that sees objects which `matches` accepts is told; undefined: nothing. An object that leaves the
   * selection is DELETED, one that enters it ADDED (apiserver: cacher's watchFilter).
   */
  for(matches: ((object: StoredObject) => boolean) | undefined): ApiWatchEvent | undefined {
    const { type, entry, previous } = this.#event;
    const existed = previous !== undefined;
    if (matches === undefined) {
      if (type === "delete") return this.#encode("DELETED", entry);
      return this.#encode(existed ? "MODIFIED" : "ADDED", entry);
    }
    const matched = previous !== undefined && matches(this.#cache.of(previous));
    const does = type === "put" && matches(this.#cache.of(entry));
    if (does) return this.#encode(matched ? "MODIFIED" : "ADDED", entry);
    if (!matched) return undefined;
    return type === "delete" ? this.#encode("DELETED", entry) : this.#left(previous);
  }

  #encode(type: ChangeType, entry: Entry): ApiWatchEvent {
    const known = this.#encoded.get(type);
    if (known !== undefined) return known;
    const event = entryEvent(type, entry, this.#cache);
    this.#encoded.set(type, event);
    return event;
  }

  /** The object as it last was in the selection, under the version in which it left. */
  #left(previous: Entry): ApiWatchEvent {
    const known = this.#encoded.get("left");
    if (known !== undefined) return known;
    const old = this.#cache.of(previous);
    const object = deepFreeze({ ...old, metadata: { ...old.metadata, resourceVersion: String(this.revision) } });
    const event: ApiWatchEvent = {
      type: "DELETED",
      json: `{"type":"DELETED","object":${JSON.stringify(object)}}`,
      object,
    };
    this.#encoded.set("left", event);
    return event;
  }
}

/** An event about a stored version; its object is parsed when somebody asks for it. */
export function entryEvent(type: ChangeType, entry: Entry, cache: ObjectCache): ApiWatchEvent {
  return {
    type,
    json: `{"type":"${type}","object":${entry.value}}`,
    get object(): unknown {
      return cache.of(entry);
    },
  };
}
