// The request in whose handler the running code is, wherever that code is: nested calls find its deadline, cancellation and trace here,
// and loggers its ids, without being handed them.
import { AsyncLocalStorage } from "node:async_hooks";
import type { RequestContext } from "./handler.ts";

/** A context that knows when its request is over. */
export interface AmbientContext extends RequestContext {
  readonly finished: boolean;
}

/** Set before each handler and its middleware start, and left when no further one does. */
export const ambientContext: AsyncLocalStorage<AmbientContext> = new AsyncLocalStorage();

/**
 * The context of the request that is being handled, in its handler and everything that this awaits or starts; undefined outside, and
 * once the request is answered: what goes on after that is the process's own, and no longer bound by a deadline that has passed.
 * @example currentContext()?.log.info({ rows }, "read")
 */
export function currentContext(): RequestContext | undefined {
  const context = ambientContext.getStore();
  return context === undefined || context.finished ? undefined : context;
}

/** What runs from here on is in no request's handler. */
export function leaveContext(): void {
  if (ambientContext.getStore() !== undefined) ambientContext.enterWith(undefined as never);
}
