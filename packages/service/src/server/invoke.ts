// From a request's bytes to its method's result: decode, validate, call, validate. Synchronous as long as all of that is.
import { asError, type Clock, WherryError } from "@wherry/core";
import { Once } from "../dedupe/once.ts";
import { ServiceError } from "../errors.ts";
import { bodyBytesMax, errorMessageCharactersMax } from "../limits.ts";
import { bytesOfText, type Codec, type Content, encodeText, type TextContent } from "../protocol/content.ts";
import { type Schema, validate } from "../schema.ts";
import { ambientContext } from "../current-context.ts";
import type { Authorize, RequestContext } from "../handler.ts";
import type { Method, Service } from "../service.ts";
import { admit } from "./authorize.ts";
import { codecFor, decodeFrom } from "./codec.ts";
import type { RequestJob } from "./job.ts";

/**
 * How this service's requests are run: each call gives the encoded reply. It throws, or rejects with, a `ServiceError` for the caller,
 * or anything else for a bug.
 */
export function invoker(service: Service, clock: Clock): (job: RequestJob) => TextContent | Promise<TextContent> {
  const { name, ambient, dedupe, codec } = service;
  const inner = dedupe === undefined ? perform : performingOnce(new Once(name, dedupe, clock, codec), codec);
  const run = throughMiddleware(service, inner);
  const start = authorized(service.authorize, (job) => run(job, decoded(job, codec)));
  return (job) => {
    const { method, context } = job;
    // Not `run`, which sets it back after each: the next job sets its own, and the executor clears the last one's.
    if (ambient) ambientContext.enterWith(context);
    const value = start(job);
    return isThenable(value)
      ? Promise.resolve(value).then((settled) => encodeReply(method, settled, codecFor(job.caller, codec)))
      : encodeReply(method, value, codecFor(job.caller, codec));
  };
}

function decoded(job: RequestJob, codec: Codec | undefined): unknown {
  const { method, caller } = job;
  try {
    return decodeFrom(caller, job, codec);
  } catch (error) {
    return blame(method)(error);
  }
}

type Perform = (job: RequestJob, value: unknown) => unknown;

/** Checks the body, calls the handler, checks the reply. */
function perform(job: RequestJob, value: unknown): unknown {
  const { method } = job;
  const body = method.input === undefined ? value : input(method, method.input, value);
  return isThenable(body) ? body.then((valid) => handle(job, valid), blame(method)) : handle(job, body);
}

function handle({ method, context }: RequestJob, body: unknown): unknown {
  const result = method.handler(body, context);
  return isThenable(result) ? Promise.resolve(result).then((reply) => output(method, reply)) : output(method, result);
}

/** A keyed call's body is checked each time: a wrong one takes no key. */
function performingOnce(once: Once, codec: Codec | undefined): Perform {
  return (job, value) => {
    if (!once.covers(job)) return perform(job, value);
    const { method, context } = job;
    const contentOf = (reply: unknown): Content | Promise<Content> => {
      const valid = output(method, reply);
      return isThenable(valid)
        ? valid.then((settled) => encodeResult(method, settled, codec))
        : encodeResult(method, valid, codec);
    };
    const start = (body: unknown): Promise<unknown> =>
      once.perform(job, { run: () => method.handler(body, context), contentOf });
    const body = method.input === undefined ? value : input(method, method.input, value);
    return isThenable(body) ? body.then(start, blame(method)) : start(body);
  };
}

/** Before anything of the body is looked at. A durable call has been asked about when it was stored. */
function authorized(authorize: Authorize | undefined, run: (job: RequestJob) => unknown): (job: RequestJob) => unknown {
  if (authorize === undefined) return run;
  return async (job) => {
    if (job.caller.delivers !== true) await admit(authorize, job.context);
    return run(job);
  };
}

/**
 * What the method will refuse is not stored: its caller hears of it now, rather than nobody. Nothing runs yet, so it is no bug of ours
 * either, whoever calls. Middleware may change a body before it is checked: then only the delivery can tell.
 * @throws ServiceError INVALID, as a rejection
 */
export async function checkStored({ use, codec }: Service, job: RequestJob): Promise<void> {
  const { method, caller } = job;
  const value = decodeFrom(caller, job, codec);
  if (use.length === 0 && method.input !== undefined) await validate(method.input, value, "body");
}

/** What is run, and in which context; of a request, or of a stream. */
export interface Run {
  readonly method: Method;
  readonly context: RequestContext;
}

/** The first is the outermost. */
export function throughMiddleware<Job extends Run>(
  { name: service, use }: Pick<Service, "name" | "use">,
  innermost: (job: Job, body: unknown) => unknown,
): (job: Job, body: unknown) => unknown {
  return use.reduceRight<typeof innermost>(
    (inner, middleware) => async (job, body) => {
      const { method, context } = job;
      // Asynchronous, so that what the handler throws is a rejection, whichever way the middleware handles it.
      const next = async (changed: { readonly body?: unknown } = {}): Promise<unknown> =>
        inner(job, "body" in changed ? changed.body : body);
      return middleware({ service, method: method.name, body, context }, next);
    },
    innermost,
  );
}

function input(method: Method, schema: Schema, value: unknown): unknown {
  try {
    return validate(schema, value, "body");
  } catch (error) {
    return blame(method)(error);
  }
}

/** Whose fault an invalid body is: from inside it is a bug of ours, and no longer an error that a caller handles. */
export function blame(method: Method): (error: unknown) => never {
  return (error) => {
    if (method.trust === "external") throw error;
    throw new WherryError(`method ${method.name}, trusted as internal, got an invalid body: ${String(error)}`, {
      code: "SERVICE_INTERNAL_CALL_INVALID",
      cause: error,
    });
  };
}

/** A method's reply, or a stream's item, checked. */
export function output(method: Method, value: unknown): unknown {
  const bug = (error: unknown): never => {
    throw new WherryError(`method ${method.name} returned what its output schema refuses: ${String(error)}`, {
      code: "SERVICE_OUTPUT_INVALID",
      cause: error,
    });
  };
  try {
    const valid = method.output === undefined ? value : validate(method.output, value, "reply");
    return isThenable(valid) ? valid.catch(bug) : valid;
  } catch (error) {
    return bug(error);
  }
}

/** A result that cannot travel is a bug of the handler, and crashes like any other; a result too large is only answered so. */
function encodeReply(method: Method, value: unknown, codec?: Codec): TextContent {
  try {
    return encodeText(value, codec);
  } catch (error) {
    if (ServiceError.is(error)) throw error;
    const [reason = ""] = asError(error).message.split("\n", 1);
    const message = `method ${method.name} returned what JSON cannot hold (${reason}); return plain values, bytes or undefined`;
    throw new WherryError(message, { code: "SERVICE_RESULT_INVALID", cause: error });
  }
}

/** As bytes, to be kept. */
export function encodeResult(method: Method, value: unknown, codec?: Codec): Content {
  return bytesOfText(encodeReply(method, value, codec));
}

/**
 * What the caller of a method that threw is told. Details of an error that the contract names are checked as replies are.
 * @throws what was thrown, or a WherryError, if it is a bug.
 */
export function answerOf(method: Method, thrown: unknown): ServiceError {
  if (!ServiceError.is(thrown)) throw thrown;
  // Whatever a nested call's error said of its own request, this request was answered.
  const { code, retryable, retryAfterMs, status } = thrown;
  const message = toldOf(thrown.message);
  const shown = {
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(status === undefined ? {} : { status }),
  };
  const details = detailsOf(method, thrown);
  if (bytesOf(method, code, details) > bodyBytesMax - messageBytesAtMost) {
    const tooLarge = `${code}, with details beyond ${bodyBytesMax} bytes; the method shall send less of them`;
    return new ServiceError("TOO_LARGE", tooLarge, { fate: "answered" });
  }
  return new ServiceError(code, message, { retryable, details, fate: "answered", ...shown });
}

/** A message may quote what the caller sent, and JSON writes a character in six bytes at most. */
const messageBytesAtMost = 8 * errorMessageCharactersMax;
const toldOf = (message: string): string =>
  message.length > errorMessageCharactersMax ? `${message.slice(0, errorMessageCharactersMax)}…` : message;

/** @throws WherryError for details that JSON cannot hold: a bug. */
function bytesOf(method: Method, code: string, details: ServiceError["details"]): number {
  try {
    return Buffer.byteLength(JSON.stringify(details));
  } catch (error) {
    throw invalidError(method, `threw ${code} with details that JSON cannot hold: ${asError(error).message}`, error);
  }
}

function invalidError({ name }: Method, what: string, cause?: unknown): WherryError {
  return new WherryError(`method ${name} ${what}`, { code: "SERVICE_ERROR_INVALID", cause });
}

function detailsOf(method: Method, { code, details }: ServiceError): ServiceError["details"] {
  const schema = Object.hasOwn(method.errors, code) ? method.errors[code] : null;
  if (schema === null || schema === undefined) return details;
  const result = schema["~standard"].validate(details);
  if (!(result instanceof Promise) && result.issues === undefined) return result.value as ServiceError["details"];
  const reason = result instanceof Promise ? "its schema is asynchronous" : result.issues[0]?.message;
  throw invalidError(method, `threw ${code} with details that its contract refuses: ${reason}`);
}

export function isThenable(value: unknown): value is Promise<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
