// What differs from kind to kind in how objects are stored. Everything else is the registry's. All of it is synchronous:
// between reading the current version and handing the next to the store nobody else gets to run.
import type { Draft, StoredObject } from "./objects.ts";

/** Something outside of the object that a write takes: an address. Exactly one of the two is called. */
export interface Reservation {
  commit(): void;
  cancel(): void;
}

export interface Strategy {
  /** Before defaulting and admission. What clients may not set is reset here. */
  prepareCreate?(draft: Draft): void;
  /** Of the main resource. `next.status` is the current one already where the kind has a status subresource. */
  prepareUpdate?(next: Draft, current: StoredObject): void;
  prepareStatus?(next: Draft, current: StoredObject): void;
  /** Does this change raise `metadata.generation`? Absent: the kind has no generation. */
  raisesGeneration?(next: Draft, current: StoredObject): boolean;
  /** Seconds that a deleted object stays. Absent: none. @param requested by the client. */
  graceSeconds?(object: StoredObject, requested: number | undefined): number;
  /** True while something other than finalizers keeps a deleted object. */
  holdsDeletion?(object: Draft | StoredObject): boolean;
  /** On the version that says that the object is being deleted. */
  prepareDeletion?(next: Draft): void;
  /** After validation's inputs are complete, before validation. May fill in fields. @throws StatusError 422. */
  reserve?(next: Draft, current: StoredObject | undefined): Reservation | undefined;
  /** The object is gone from the store. */
  removed?(object: StoredObject): void;
  /** DELETE answers the object instead of a Status. */
  readonly answersDeleted?: boolean;
}
