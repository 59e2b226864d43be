// What callers are told of requests, streams and subscriptions that the service does not run, or not to their end: the errors that are
// its own, not its methods'. Texts alone; who is told when, is decided elsewhere.
import { asError } from "@wherry/core";
import { ServiceError } from "../errors.ts";
import type { Method, Service } from "../service.ts";
import type { Job } from "./job.ts";
import type { ServerStream } from "./stream.ts";

/** The answer to a request that a leaving service has not started: send it elsewhere. */
export function refusal(): ServiceError {
  return new ServiceError("REFUSED", "the service is leaving; the request was not started", {
    retryable: true,
    fate: "not-started",
  });
}

/** What a call of no method is told. */
export function notFound(service: Service, name: string): ServiceError {
  const known = [...service.methods.keys()].slice(0, 20).join(", ");
  const message = `service ${service.name} has no method ${JSON.stringify(name)}; it has ${known || "none"}`;
  return new ServiceError("NOT_FOUND", message);
}

/** What an OPEN of something else than a stream is told. */
export function notStreaming(service: Service, name: string): ServiceError {
  if (!service.methods.has(name)) return notFound(service, name);
  return new ServiceError(
    "INVALID",
    `method ${name} is no stream: it answers once; use client.call, not client.stream`,
  );
}

/** What a REQUEST for a stream is told. */
export function notCallable({ name, stream }: Method): ServiceError {
  const message = `method ${name} is a stream (${stream ?? ""}) and does not answer once: use client.stream, not client.call`;
  return new ServiceError("INVALID", message, { details: { stream } });
}

/** What a SUBSCRIBE for nothing is told. */
export function noTopic(service: Service, name: string): ServiceError {
  const known = [...service.topics.keys()].slice(0, 20).join(", ");
  const message = `service ${service.name} has no topic ${JSON.stringify(name)}; it has ${known || "none"}`;
  return new ServiceError("NOT_FOUND", message);
}

/** What the client of a connection is told whose key was taken away. */
export function keyRemoved(): ServiceError {
  return new ServiceError("UNAUTHORIZED", "this client's key is not allowed any more; the connection ends", {
    fate: "not-started",
  });
}

/** Which job or stream threw what. */
export interface Culprit {
  readonly job: Job | ServerStream;
  readonly thrown: unknown;
}

/**
 * What the request that met the bug is told. What was thrown goes only to callers that the method trusts as internal: it may
 * quote data, and is none of an outsider's business.
 */
export function itsOwnFault({ method }: { readonly method: Method }, thrown: unknown): ServiceError {
  const [reason = ""] = asError(thrown).message.split("\n", 1);
  const told = method.trust === "internal" ? `it threw: ${reason}` : "the service's log says why";
  const message = `method ${method.name} crashed the service while the request ran; it may have had its effect; ${told}`;
  // A client that repeats it elsewhere shall know that it is this request that ends services.
  return new ServiceError("ABORTED", message, { fate: "maybe-executed", details: { crashed: true } });
}
