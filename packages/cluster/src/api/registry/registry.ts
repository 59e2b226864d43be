// One kind's objects: read, create, update, delete. Between the API's handlers and the store; nobody else writes. It knows
// nothing of HTTP, users or verbs. Each write is computed from the newest version (also one that is still on its way to the
// disk) without giving up control in between, so that only a stale version in the request can conflict.
import type { Clock, Random } from "@wherry/core";
import {
  alreadyExists,
  applyDefaults,
  conflict,
  deepFreeze,
  type DeleteOptions,
  type FieldError,
  generateName,
  invalid,
  type KindInfo,
  notFound,
  tooLarge,
  validateCreate,
  validateUpdate,
} from "@wherry/kube";
import type { Backend, Entry, Revision } from "../../store/types.ts";
import { limits } from "../limits.ts";
import { checkPreconditions, planDelete, timestamp } from "./deletion.ts";
import { keyOf, prefixOf } from "./keys.ts";
import { list, type ListQuery, type ListResult, readRefusal } from "./list.ts";
import { type Draft, encode, type ObjectCache, type StoredObject } from "./objects.ts";
import type { Reservation, Strategy } from "./strategy.ts";
import { checkIdentity, isSame, keepSystemFields, newFinalizers, scoped, type UpdateScope } from "./update.ts";

export interface RegistryEnvironment {
  readonly backend: Backend;
  readonly cache: ObjectCache;
  readonly clock: Clock;
  readonly random: Random;
}

/** An object, and its JSON text where it has been stored. */
export interface Item {
  readonly object: StoredObject;
  readonly json?: string;
}

export interface WriteOptions {
  /** Every check runs, nothing is stored. */
  readonly dryRun: boolean;
  /** Looks at, and completes, what is about to be stored. @throws StatusError to refuse. */
  readonly admit: (next: Draft, current: StoredObject | undefined) => void;
}

export interface Deleted {
  readonly item: Item;
  /** False while it lingers: grace, finalizers. */
  readonly gone: boolean;
}

export class Registry {
  readonly kind: KindInfo;
  readonly strategy: Strategy;
  readonly #env: RegistryEnvironment;
  /** Writes that are not durable yet, by key. */
  readonly #pending = new Map<string, Promise<unknown>>();

  constructor(kind: KindInfo, strategy: Strategy, env: RegistryEnvironment) {
    this.kind = kind;
    this.strategy = strategy;
    this.#env = env;
  }

  prefix(namespace?: string): string {
    return prefixOf(this.kind, namespace);
  }

  item(entry: Entry): Item {
    const { cache } = this.#env;
    return {
      json: entry.value,
      get object(): StoredObject {
        return cache.of(entry);
      },
    };
  }

  /** The newest version that is durable. @throws StatusError 404. */
  get(namespace: string | undefined, name: string, atLeast: Revision = 0): Item {
    const { backend } = this.#env;
    if (atLeast > backend.revision)
      throw readRefusal({ outcome: "future", currentRevision: backend.revision }, atLeast);
    const entry = this.find(namespace, name);
    if (entry === undefined) throw notFound(this.kind, name);
    return this.item(entry);
  }

  find(namespace: string | undefined, name: string): Entry | undefined {
    const entry = this.#env.backend.get(keyOf(this.kind, namespace, name));
    return entry === undefined || "outcome" in entry ? undefined : entry;
  }

  list(namespace: string | undefined, query: ListQuery): ListResult {
    return list(this.#env.backend, this.#env.cache, this.prefix(namespace), query);
  }

  /** @throws StatusError 409 AlreadyExists, 413, 422, and what `admit` throws. */
  async create(draft: Draft, options: WriteOptions): Promise<Item> {
    const { kind, strategy } = this;
    this.#begin(draft);
    strategy.prepareCreate?.(draft);
    const defaulted = applyDefaults(kind, draft);
    options.admit(defaulted, undefined);
    if (this.#head(defaulted.metadata.namespace, defaulted.metadata.name) !== undefined)
      throw alreadyExists(kind, defaulted.metadata.name ?? "");
    const reservation = strategy.reserve?.(defaulted, undefined);
    try {
      this.#check(validateCreate(kind, defaulted), defaulted);
      if (options.dryRun) return dryItem(defaulted, undefined, reservation);
      return await this.#put(defaulted, 0, reservation);
    } catch (problem) {
      reservation?.cancel();
      throw problem;
    }
  }

  /**
   * Stores what `change` makes of the newest version.
   * @throws StatusError 404, 409 Conflict when `change`'s result names another version or uid, 413, 422.
   */
  async update(
    namespace: string | undefined,
    name: string,
    scope: UpdateScope,
    change: (current: StoredObject) => Draft,
    options: WriteOptions,
  ): Promise<Item> {
    for (let attempt = 1; ; attempt++) {
      const head = this.#head(namespace, name);
      if (head === undefined) throw notFound(this.kind, name);
      const current = this.#env.cache.of(head);
      const asked = change(current);
      const next = this.#complete(asked, current, scope, options);
      if (isSame(next, current)) {
        // The version that this answers with may still be on its way to the disk.
        await this.#pending.get(head.key);
        return this.item(head);
      }
      const item = await this.#store(next, current, head, options);
      if (item !== undefined) return item;
      if (attempt === limits.conflictTriesMax) throw conflict(this.kind, name);
    }
  }

  /** @throws StatusError 404, 409 when a precondition fails. */
  async delete(
    namespace: string | undefined,
    name: string,
    deleteOptions: DeleteOptions,
    options: WriteOptions,
  ): Promise<Deleted> {
    const { cache, clock } = this.#env;
    for (let attempt = 1; ; attempt++) {
      const head = this.#head(namespace, name);
      if (head === undefined) throw notFound(this.kind, name);
      const object = cache.of(head);
      checkPreconditions(this.kind, object, deleteOptions);
      options.admit(object as unknown as Draft, object);
      const plan = planDelete(this.strategy, object, deleteOptions, clock.now());
      if (plan.action === "wait") return { item: this.item(head), gone: false };
      if (options.dryRun)
        return {
          item: { object: plan.action === "mark" ? frozen(plan.next) : object },
          gone: plan.action === "remove",
        };
      if (plan.action === "mark") {
        const item = await this.#put(plan.next, head.revision, undefined);
        return { item, gone: false };
      }
      const item = await this.#remove(plan.last, object, head);
      if (item !== undefined) return { item, gone: true };
      if (attempt === limits.conflictTriesMax) throw conflict(this.kind, name);
    }
  }

  #head(namespace: string | undefined, name: string | undefined): Entry | undefined {
    return this.#env.backend.head(keyOf(this.kind, namespace, name ?? ""));
  }

  /** What the server alone says about a new object (apiserver: rest.BeforeCreate). */
  #begin(draft: Draft): void {
    const { clock, random } = this.#env;
    const { metadata } = draft;
    if ((metadata.name ?? "") === "" && (metadata.generateName ?? "") !== "") metadata.name = this.#freshName(draft);
    metadata.uid = random.uuid();
    metadata.creationTimestamp = timestamp(clock.now());
    delete metadata.resourceVersion;
    delete metadata.deletionTimestamp;
    delete metadata.deletionGracePeriodSeconds;
    delete metadata.selfLink;
    // Not kept until there is server-side apply, which needs them right rather than nearly right.
    delete metadata.managedFields;
    delete metadata.generation;
    if (this.strategy.raisesGeneration !== undefined) metadata.generation = 1;
  }

  #freshName(draft: Draft): string {
    const { namespace, generateName: prefix } = draft.metadata;
    for (let attempt = 1; attempt <= limits.generateNameTriesMax; attempt++) {
      const name = generateName(prefix ?? "", this.#env.random);
      if (this.#head(namespace, name) === undefined) return name;
    }
    throw alreadyExists(this.kind, prefix ?? "");
  }

  #complete(asked: Draft, current: StoredObject, scope: UpdateScope, options: WriteOptions): Draft {
    checkIdentity(this.kind, asked, current);
    const merged = scoped(asked, current, scope, this.kind);
    keepSystemFields(merged, current);
    if (scope === "object") this.strategy.prepareUpdate?.(merged, current);
    if (scope === "status") this.strategy.prepareStatus?.(merged, current);
    const next = applyDefaults(this.kind, merged);
    options.admit(next, current);
    const subresource = scope === "object" ? undefined : scope;
    const errors = validateUpdate(this.kind, next, current, subresource);
    this.#check([...newFinalizers(next, current), ...errors], next);
    const changesSpec = scope === "object" || scope === "binding";
    if (changesSpec && this.strategy.raisesGeneration?.(next, current) === true)
      next.metadata.generation = (current.metadata.generation ?? 0) + 1;
    return next;
  }

  /** Undefined when somebody else wrote first. */
  async #store(next: Draft, current: StoredObject, head: Entry, options: WriteOptions): Promise<Item | undefined> {
    const reservation = this.strategy.reserve?.(next, current);
    if (options.dryRun) return dryItem(next, current, reservation);
    if (this.#isDone(next)) {
      reservation?.cancel();
      return this.#remove(next, current, head);
    }
    try {
      return await this.#put(next, head.revision, reservation);
    } catch (problem) {
      reservation?.cancel();
      throw problem;
    }
  }

  /** Deleted, and nothing holds it any more. */
  #isDone(next: Draft): boolean {
    const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = next.metadata;
    if (deletionTimestamp === undefined || finalizers.length > 0 || deletionGracePeriodSeconds > 0) return false;
    return this.strategy.holdsDeletion?.(next) !== true;
  }

  #check(errors: readonly FieldError[], object: Draft): void {
    if (errors.length > 0) throw invalid(this.kind, object.metadata.name ?? "", errors);
  }

  async #put(draft: Draft, expected: Revision, reservation: Reservation | undefined): Promise<Item> {
    const key = keyOf(this.kind, draft.metadata.namespace, draft.metadata.name ?? "");
    const encoded = encode(draft);
    if (encoded.length > limits.objectBytesMax) throw tooLarge(`limit is ${limits.objectBytesMax}`);
    const written = this.#env.backend.put(key, expected, (revision) => {
      draft.metadata.resourceVersion = String(revision);
      return encoded.at(revision);
    });
    const result = await this.#track(key, written);
    if (result.outcome === "conflict") {
      const name = draft.metadata.name ?? "";
      throw expected === 0 ? alreadyExists(this.kind, name) : conflict(this.kind, name);
    }
    reservation?.commit();
    this.#env.cache.keep(result.entry, frozen(draft));
    return this.item(result.entry);
  }

  async #remove(last: Draft, object: StoredObject, head: Entry): Promise<Item | undefined> {
    const encoded = encode(last);
    const removed = this.#env.backend.delete(head.key, head.revision, (revision) => encoded.at(revision));
    const result = await this.#track(head.key, removed);
    if (result.outcome === "conflict") return undefined;
    this.#env.cache.forget(head.key);
    this.strategy.removed?.(object);
    return this.item(result.entry);
  }

  async #track<T>(key: string, write: Promise<T>): Promise<T> {
    this.#pending.set(key, write);
    try {
      return await write;
    } finally {
      if (this.#pending.get(key) === write) this.#pending.delete(key);
    }
  }
}

const frozen = (draft: Draft): StoredObject => deepFreeze(draft) as unknown as StoredObject;

function dryItem(next: Draft, current: StoredObject | undefined, reservation: Reservation | undefined): Item {
  reservation?.cancel();
  if (current !== undefined) next.metadata.resourceVersion = current.metadata.resourceVersion;
  return { object: frozen(next) };
}
