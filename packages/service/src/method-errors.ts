// The errors that callers of a method must expect: how a contract declares them, and how its handler makes one.
import { ServiceError, type ServiceErrorOptions } from "./errors.ts";
import type { Schema, SchemaInput } from "./schema.ts";

/** Codes, each with the schema of its error's details, or null for none. */
export type ErrorContracts = Readonly<Record<string, Schema | null>>;

/** Makes an error of a contract: its code and its details are checked by the compiler, its details by their schema, too. */
export type ErrorMaker<E extends ErrorContracts> = <Code extends keyof E & string>(
  code: Code,
  message: string,
  ...rest: E[Code] extends Schema
    ? [details: SchemaInput<E[Code]>, options?: ErrorMakerOptions]
    : [details?: undefined, options?: ErrorMakerOptions]
) => ServiceError;
type ErrorMakerOptions = Pick<ServiceErrorOptions, "retryable" | "retryAfterMs" | "status" | "cause">;

/** What `context.error` makes; whether the details are the contract's is checked when it is thrown. */
export function makeError(
  code: string,
  message: string,
  details?: ServiceError["details"],
  options: ErrorMakerOptions = {},
): ServiceError {
  return new ServiceError(code, message, details === undefined ? options : { ...options, details });
}
