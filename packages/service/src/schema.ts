// Validation by any library that speaks Standard Schema (zod, valibot, arktype, …): only the part of its interface that is
// used here, version 1 of https://standardschema.dev. Imports no such library.
import { ServiceError } from "./errors.ts";
import { issueCharactersMax } from "./limits.ts";

/** A validator that turns an unknown value, meant to be an `Input`, into an `Output`. */
export interface Schema<Output = unknown, Input = Output> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What is given to a schema, and what it makes of that; they differ where it transforms. */
export type SchemaInput<S> = S extends Schema<unknown, infer Input> ? Input : unknown;
export type SchemaOutput<S> = S extends Schema<infer Output, unknown> ? Output : unknown;

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Issues that are told to a caller; more say nothing new. */
const issuesTold = 10;

/**
 * The validated value, synchronously if the validator is.
 * @throws ServiceError INVALID with the issues in its message and `details.issues`; as a rejection if the validator is async.
 */
export function validate(schema: Schema, value: unknown, what: string): unknown {
  const result = schema["~standard"].validate(value);
  return result instanceof Promise ? result.then((settled) => accept(settled, what)) : accept(result, what);
}

function accept(result: SchemaResult<unknown>, what: string): unknown {
  if (result.issues === undefined) return result.value;
  const issues = result.issues
    .slice(0, issuesTold)
    .map((issue) => ({ path: shortened(pathOf(issue)), message: shortened(issue.message) }));
  const told = issues
    .map((issue) => (issue.path === "" ? issue.message : `${issue.path}: ${issue.message}`))
    .join("; ");
  throw new ServiceError("INVALID", `${what}: ${told}`, { details: { issues } });
}

/** Names and values of the body itself are quoted in it, as long as the caller likes them. */
function shortened(text: string): string {
  return text.length > issueCharactersMax ? `${text.slice(0, issueCharactersMax)}…` : text;
}

function pathOf(issue: SchemaIssue): string {
  return (issue.path ?? []).map((step) => String(typeof step === "object" ? step.key : step)).join(".");
}
