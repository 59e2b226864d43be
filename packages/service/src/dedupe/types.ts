// What a store of idempotency keys promises. One contract, any storage: memory and SQLite are here, Redis or another database are a
// class of this form away; all pass store.suite.ts.
//
//   begin ──► new ──► running ──finish──► done ──ttl──► forgotten
//                        │  forget, or its owner died
//                        └──────────────► forgotten: the next begin is new again
import type { ContentType } from "../protocol/codes.ts";

/** Which call: attempts and repetitions of one logical call have all of it in common. */
export interface KeyedCall {
  /** `SERVICE.METHOD` */
  readonly scope: string;
  /** The caller's; unique within the scope. */
  readonly key: string;
  /** Of the body: the same key for another body is a mistake of the caller. */
  readonly fingerprint: string;
  /** Who asked first, for a store that is bounded: no caller shall fill it. Absent: nobody in particular, such as a broker. No part of what the call is. */
  readonly caller?: string;
}

/** The right to execute a call. `token` is this execution's own: a later owner of the same key has another. */
export interface Claim extends KeyedCall {
  readonly token: string;
}

/** What a call came to: its encoded reply, or its error's code, message and details as JSON. */
export interface StoredResult {
  readonly kind: "reply" | "error";
  readonly content: ContentType;
  readonly body: Uint8Array | undefined;
}

export type Begun =
  /** Execute it, then `finish` or `forget`. */
  | { readonly state: "new"; readonly claim: Claim }
  /** Somebody executes it; ask again, after `settled` where the store can tell. */
  | { readonly state: "running"; readonly settled?: Promise<unknown> }
  | { readonly state: "done"; readonly result: StoredResult }
  /** The key stands for another body. */
  | { readonly state: "other-body" };

/** Each method may be synchronous. One that throws ends the request as a bug does, except `begin`: then nothing was executed. */
export interface KeyStore {
  /** Milliseconds a claim is good for without `renew`, where the store cannot know that its owner lives. */
  readonly leaseMs: number;
  /** Atomic: of several that begin the same call, one is `new`. */
  begin(call: KeyedCall): Begun | Promise<Begun>;
  /** The claim goes on. */
  renew(claim: Claim): void | Promise<void>;
  /** Keeps the result for the store's time to live. @returns false when the claim was lost: another one executes the call, or has. */
  finish(claim: Claim, result: StoredResult): boolean | Promise<boolean>;
  /** As if it had never begun; nothing if the claim was lost. */
  forget(claim: Claim): void | Promise<void>;
  close(): void | Promise<void>;
}
