// What goes into a stream's handler and what comes out of it, checked: its argument, each item that comes in, and that it returns items.
import { ServiceError } from "../errors.ts";
import { validate } from "../schema.ts";
import type { Method } from "../service.ts";
import { blame } from "./invoke.ts";

/** The argument of an `out` stream, checked. */
export async function argumentOf(method: Method, value: unknown): Promise<unknown> {
  try {
    return method.input === undefined ? value : await validate(method.input, value, "body");
  } catch (error) {
    return blame(method)(error);
  }
}

/** @param place in the stream: items are checked in their order */
export function checkItem(method: Method, value: unknown, place: number): unknown {
  try {
    const valid = method.input === undefined ? value : validate(method.input, value, `item ${place}`);
    return valid instanceof Promise ? valid.catch(blame(method)) : valid;
  } catch (error) {
    return blame(method)(error);
  }
}

/** An error about an item, which says about which. */
export function named(what: string, error: ServiceError): ServiceError {
  return new ServiceError(error.code, error.message.replace(/^body\b/, what), { cause: error });
}

/** @throws TypeError for what is none: a bug of the handler */
export function iteratorOf(method: Method, made: unknown): Iterator<unknown> | AsyncIterator<unknown> {
  const items = made as Partial<AsyncIterable<unknown> & Iterable<unknown>> | null | undefined;
  const iterator = items?.[Symbol.asyncIterator]?.() ?? items?.[Symbol.iterator]?.();
  if (iterator !== undefined) return iterator;
  throw new TypeError(
    `stream ${method.name}: expected its handler to return an iterable, as an async function* does, got ${typeof made}`,
  );
}
