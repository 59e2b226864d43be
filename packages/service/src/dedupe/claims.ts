// Which claim a running request holds, so that a store can write the request's result in the same transaction as its effect.
import { WherryError } from "@wherry/core";
import { ServiceError } from "../errors.ts";
import type { RequestContext } from "../handler.ts";
import type { Claim, StoredResult } from "./types.ts";

export interface OpenClaim {
  readonly claim: Claim;
  /** The value as it will be stored and answered. Throws for one that the method's output schema refuses, or that cannot travel. */
  readonly resultOf: (value: unknown) => StoredResult;
  /** Set by a store once the result is committed together with the effect. */
  recorded: StoredResult | undefined;
}

const open = new WeakMap<RequestContext, OpenClaim>();

/** Binds a claim to its request while that runs. */
export function openClaim(context: RequestContext, claim: OpenClaim): void {
  open.set(context, claim);
}

/** The claim of the request with this context; undefined for a call without a key. For stores. */
export function claimOf(context: RequestContext): OpenClaim | undefined {
  return open.get(context);
}

/** What a store throws when it finds, before any effect, that another execution took over. */
export function claimLost({ scope, key }: Claim): WherryError {
  const message = `the claim on key ${JSON.stringify(key)} of ${scope} was lost to another execution; nothing was changed`;
  return new WherryError(message, { code: "SERVICE_CLAIM_LOST", retryable: true });
}

/**
 * What a store throws when it could not even begin, since another process held it: nothing was changed. A keyed call is executed again
 * when the store is free; the caller of one without a key is told.
 */
export class StoreBusy extends ServiceError {
  constructor(cause: unknown) {
    const message = "the store of idempotency keys is locked by another process; nothing was committed, try again";
    super("UNAVAILABLE", message, { retryable: true, cause });
  }
}
