// From a request's bytes to its method's result: decode, validate, call, validate. Synchronous as long as all of that is.
import { asError, WherryError } from "@wherry/core";
import { ServiceError } from "../errors.ts";
import { type Content, decodeContent, encodeContent } from "../protocol/content.ts";
import { validate } from "../schema.ts";
import type { Method } from "../service.ts";
import type { RequestJob } from "./job.ts";

/** The encoded reply. Throws, or rejects with, a `ServiceError` for the caller, or anything else for a bug. */
export function invoke(job: RequestJob): Content | Promise<Content> {
  const { method, context } = job;
  const body = input(job);
  const result = isThenable(body)
    ? body.then((valid) => method.handler(valid, context), blame(method))
    : method.handler(body, context);
  return isThenable(result) ? Promise.resolve(result).then((value) => output(method, value)) : output(method, result);
}

function input({ method, content, body }: RequestJob): unknown {
  try {
    const value = decodeContent(content, body);
    return method.input === undefined ? value : validate(method.input, value, "body");
  } catch (error) {
    return blame(method)(error);
  }
}

/** Whose fault an invalid body is: from inside it is a bug of ours, and no longer an error that a caller handles. */
function blame(method: Method): (error: unknown) => never {
  return (error) => {
    if (method.trust === "external") throw error;
    throw new WherryError(`method ${method.name}, trusted as internal, got an invalid body: ${String(error)}`, {
      code: "SERVICE_INTERNAL_CALL_INVALID",
      cause: error,
    });
  };
}

function output(method: Method, value: unknown): Content | Promise<Content> {
  if (method.output === undefined) return encode(method, value);
  const bug = (error: unknown): never => {
    throw new WherryError(`method ${method.name} returned what its output schema refuses: ${String(error)}`, {
      code: "SERVICE_OUTPUT_INVALID",
      cause: error,
    });
  };
  let valid: unknown;
  try {
    valid = validate(method.output, value, "reply");
  } catch (error) {
    return bug(error);
  }
  return isThenable(valid) ? valid.then((settled) => encode(method, settled), bug) : encode(method, valid);
}

/** A result that cannot travel is a bug of the handler, and crashes like any other; a result too large is only answered so. */
function encode(method: Method, value: unknown): Content {
  try {
    return encodeContent(value);
  } catch (error) {
    if (ServiceError.is(error)) throw error;
    const [reason = ""] = asError(error).message.split("\n", 1);
    const message = `method ${method.name} returned what JSON cannot hold (${reason}); return plain values, bytes or undefined`;
    throw new WherryError(message, { code: "SERVICE_RESULT_INVALID", cause: error });
  }
}

/**
 * What the caller of a method that threw is told. Details of an error that the contract names are checked as replies are.
 * @throws what was thrown, or a WherryError, if it is a bug.
 */
export function answerOf(method: Method, thrown: unknown): ServiceError {
  if (!ServiceError.is(thrown)) throw thrown;
  // Whatever a nested call's error said of its own request, this request was answered.
  const { code, message, retryable, retryAfterMs } = thrown;
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  return new ServiceError(code, message, { retryable, details: detailsOf(method, thrown), fate: "answered", ...wait });
}

function detailsOf(method: Method, { code, details }: ServiceError): ServiceError["details"] {
  const schema = Object.hasOwn(method.errors, code) ? method.errors[code] : null;
  if (schema === null || schema === undefined) return details;
  const result = schema["~standard"].validate(details);
  if (!(result instanceof Promise) && result.issues === undefined) return result.value as ServiceError["details"];
  const reason = result instanceof Promise ? "its schema is asynchronous" : result.issues[0]?.message;
  throw new WherryError(`method ${method.name} threw ${code} with details that its contract refuses: ${reason}`, {
    code: "SERVICE_ERROR_INVALID",
  });
}

export function isThenable(value: unknown): value is Promise<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
