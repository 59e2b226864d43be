// What the harness's parts say to each other.
import type { RequestFate } from "@wherry/service";

/** The ledger's methods that callers use all the time; each promises something else. */
export type Kind = "plain" | "repeatable" | "keyed";

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
  readonly ms: number;
}

/** What the service wrote down of one call, all pods together. */
export interface Executed {
  began: number;
  ended: number;
}

/** What befell the pods, which decides what may fail. */
export type Severity =
  /** Planned: nothing at all may fail. */
  | "planned"
  /** A process died: what is neither idempotent nor keyed may fail, as maybe executed. */
  | "death"
  /** A process stopped working for longer than a deadline, or more was asked than can be done: calls may fail, definitely. */
  | "stall";
