// What the harness's parts say to each other.
import type { RequestFate } from "@wherry/service";

/** The ledger's methods that callers use all the time; each promises something else. */
export type Kind = "plain" | "repeatable" | "keyed" | "durable";

export interface CallerSetup {
  readonly name: string;
  readonly seed: number;
  readonly file: string;
  readonly concurrency: number;
  readonly deadlineMs: number;
  /** The longest that a call works at the service, milliseconds. */
  readonly workMsMax: number;
  /** A new client takes over that often; 0: one for all. */
  readonly newcomerEveryMs: number;
}

/** What a caller was told of one call. */
export interface Told {
  readonly id: string;
  readonly kind: Kind;
  /** `unsettled`: nothing, long after its deadline. */
  readonly outcome: "answered" | "wrong-answer" | "failed" | "unsettled";
  readonly code?: string;
  readonly fate?: RequestFate;
  readonly message?: string;
  /** When it was made, milliseconds since the epoch, and how long until its outcome. */
  readonly atMs: number;
  readonly ms: number;
}

/** What is left of the durable calls when nobody calls any more, and the pods have had time to run what was stored. */
export interface Leftovers {
  /** Still in the queue. */
  readonly queued: number;
  /** Dead letters, with the reason of each: none of the ledger's calls may become one. */
  readonly dead: readonly { readonly key: string | undefined; readonly reason: string }[];
  /** From the last call to the empty queue. */
  readonly drainMs: number;
}

/** What the service wrote down of one call, all pods together. */
export interface Executed {
  began: number;
  ended: number;
}

/**
 * What befell the pods, which decides what may fail meanwhile.
 *
 * `planned`: nothing at all. `death`, of a process: what is neither idempotent, keyed nor durable, as maybe executed. `stall`, where a process stood
 * still for longer than a deadline, or more was asked than can be done: any call, definitely.
 */
export type Severity = "planned" | "death" | "stall";

/** From the beginning of what befell them until they had recovered, milliseconds since the epoch. */
export interface Episode {
  readonly severity: Severity;
  readonly fromMs: number;
  readonly toMs: number;
}
