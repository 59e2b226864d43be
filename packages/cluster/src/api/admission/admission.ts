// Plugins that complete or refuse what is about to be stored, after authorization and before validation. All of them are
// synchronous; what needs to wait (webhooks) will need a stage before the registry reads the current version.
import type { KindInfo } from "@wherry/kube";
import type { Draft, StoredObject } from "../registry/objects.ts";
import type { User } from "../types.ts";

export interface AdmissionRequest {
  readonly operation: "CREATE" | "UPDATE" | "DELETE";
  readonly kind: KindInfo;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly user: User;
  /** About to be stored; may be changed (not for DELETE). */
  readonly next: Draft;
  readonly current: StoredObject | undefined;
  readonly warnings: string[];
}

/** What plugins may look up. */
export interface Lookup {
  find(plural: string, namespace: string | undefined, name: string): StoredObject | undefined;
}

/** @throws StatusError to refuse. */
export type AdmissionPlugin = (request: AdmissionRequest, lookup: Lookup) => void;
