// Whether a caller may do what it asks for: the service's own `authorize`, and its no as an error.
import { ServiceError } from "../errors.ts";
import type { Authorize, RequestContext } from "../service.ts";

/** @throws ServiceError FORBIDDEN; UNAUTHORIZED when the caller has not proven who it is. */
export async function admit(authorize: Authorize, context: RequestContext): Promise<void> {
  const verdict = await authorize(context);
  // Whatever is no clear yes is a no.
  if (verdict === true) return;
  const why = typeof verdict === "string" ? verdict : `this caller may not call ${context.method}`;
  throw new ServiceError(context.userId === undefined ? "UNAUTHORIZED" : "FORBIDDEN", why);
}
