// What stands between a caller and its client: middleware, and the check of bodies against the contract. Each is a function around
// the next; a client without them calls its core directly.
import { type Contract, noBody } from "../contract.ts";
import { ServiceError } from "../errors.ts";
import { validate } from "../schema.ts";
import type { CallOptions, ClientMiddleware } from "./types.ts";

/** Makes a call, all its attempts included. */
export type Send = (method: string, body: unknown, options?: CallOptions) => Promise<unknown>;

/** The first middleware is the outermost. */
export function throughMiddleware(service: string, use: readonly ClientMiddleware[], send: Send): Send {
  return use.reduceRight<Send>(
    (inner, middleware) =>
      // Asynchronous, so that what a middleware throws becomes the call's rejection.
      async (method, body, options = {}) =>
        middleware({ service, method, body, options }, (changed = {}) =>
          inner(method, "body" in changed ? changed.body : body, changed.options ?? options),
        ),
    send,
  );
}

/** Refuses a body that the contract's schema does; what is sent is the body itself, not what the schema makes of it: the service does that. */
export function checkingBodies({ methods, name }: Contract, send: Send): Send {
  return async (method, body, options) => {
    const known = Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (known === undefined) throw notInContract(name, method);
    try {
      await validate(known.input ?? noBody, body, `body of ${name}.${method}`);
    } catch (error) {
      if (!ServiceError.is(error)) throw error;
      throw new ServiceError(error.code, error.message, { details: error.details, fate: "not-started" });
    }
    return send(method, body, options);
  };
}

function notInContract(service: string, method: string): ServiceError {
  const message = `the contract of ${service} has no method ${JSON.stringify(method)}`;
  return new ServiceError("NOT_FOUND", message, { fate: "not-started" });
}
