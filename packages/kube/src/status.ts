// How the API refuses: Kubernetes' Status as an error that can be thrown, matched on and sent. Wording, reasons and codes
// are those of k8s.io/apimachinery pkg/api/errors, because clients compare them. Never holds a stack or a secret.
import { asError, WherryError } from "@wherry/core";
import type { Status, StatusCause, StatusDetails } from "./types/index.ts";

/** `NotFound` → `KUBE_NOT_FOUND`. */
const codeOf = (reason: string): string =>
  `KUBE_${(reason || "Unknown").replace(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase()}`;

const retryableReasons = new Set(["TooManyRequests", "ServiceUnavailable", "Timeout", "ServerTimeout"]);

/**
 * A refusal of a Kubernetes API. `code` is `KUBE_<REASON>` (`KUBE_NOT_FOUND`, `KUBE_CONFLICT`, …), `reason` is Kubernetes'.
 * Retryable means: the same request may succeed later, unchanged; a `Conflict` needs a fresh read first and is not.
 */
export class StatusError extends WherryError {
  readonly status: Status;
  readonly httpStatus: number;
  readonly reason: string;

  constructor(status: Status, cause?: unknown) {
    const reason = status.reason ?? "";
    super(status.message ?? `the server answered ${status.code ?? "without a code"} ${reason}`.trim(), {
      code: codeOf(reason),
      retryable: retryableReasons.has(reason),
      details: { ...status.details },
      cause,
    });
    this.status = status;
    this.httpStatus = status.code ?? 500;
    this.reason = reason;
  }
}

/** The one message that an invalid object carries per field. `message` is the text after the field. */
export interface FieldError {
  /** `spec.containers[0].image`. */
  readonly field: string;
  readonly reason:
    | "FieldValueRequired"
    | "FieldValueInvalid"
    | "FieldValueDuplicate"
    | "FieldValueNotSupported"
    | "FieldValueForbidden"
    | "FieldValueTooLong"
    | "FieldValueTooMany"
    | "FieldValueTypeInvalid"
    | "FieldValueNotFound";
  /** `Required value`, `Invalid value: "x": must be …`. */
  readonly message: string;
}

export function makeStatus(code: number, reason: string, message: string, details?: StatusDetails): Status {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason,
    ...(details === undefined ? {} : { details }),
    code,
  };
}

const refuse = (code: number, reason: string, message: string, details?: StatusDetails): StatusError =>
  new StatusError(makeStatus(code, reason, message, details));

interface ResourceName {
  readonly group: string;
  readonly plural: string;
}
interface KindName {
  readonly group: string;
  readonly kind: string;
}

const qualified = (name: string, group: string): string => (group === "" ? name : `${name}.${group}`);
/** Go's %q, near enough: what differs is how exotic characters are escaped. */
export const quote = (text: string): string => JSON.stringify(text);
const detailsOf = (resource: ResourceName, name: string): StatusDetails => ({
  ...(name === "" ? {} : { name }),
  ...(resource.group === "" ? {} : { group: resource.group }),
  kind: resource.plural,
});

export const badRequest = (message: string): StatusError => refuse(400, "BadRequest", message);

export const unauthorized = (message = "Unauthorized"): StatusError => refuse(401, "Unauthorized", message);

/** `pods "x" is forbidden: why`; without a name `pods is forbidden: why`. */
export function forbidden(
  resource: ResourceName,
  name: string,
  why: string,
  causes?: readonly StatusCause[],
): StatusError {
  const target = qualified(resource.plural, resource.group) + (name === "" ? "" : ` ${quote(name)}`);
  const details = { ...detailsOf(resource, name), ...(causes === undefined ? {} : { causes }) };
  return refuse(403, "Forbidden", `${target} is forbidden: ${why}`, details);
}

export const notFound = (resource: ResourceName, name: string): StatusError =>
  refuse(
    404,
    "NotFound",
    `${qualified(resource.plural, resource.group)} ${quote(name)} not found`,
    detailsOf(resource, name),
  );

/** For a path that no resource answers. @param why what there is instead, for people */
export const unknownPath = (why = ""): StatusError =>
  refuse(404, "NotFound", `the server could not find the requested resource${why}`, {});

export const methodNotAllowed = (resource: ResourceName, action: string): StatusError =>
  refuse(
    405,
    "MethodNotAllowed",
    `${action} is not supported on resources of kind ${quote(qualified(resource.plural, resource.group))}`,
    detailsOf(resource, ""),
  );

export const notAcceptable = (accepted: readonly string[]): StatusError =>
  refuse(406, "NotAcceptable", `only the following media types are accepted: ${accepted.join(", ")}`);

export const unsupportedMediaType = (accepted: readonly string[]): StatusError =>
  refuse(
    415,
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(", ")}`,
  );

export const alreadyExists = (resource: ResourceName, name: string): StatusError =>
  refuse(
    409,
    "AlreadyExists",
    `${qualified(resource.plural, resource.group)} ${quote(name)} already exists`,
    detailsOf(resource, name),
  );

const modified = "the object has been modified; please apply your changes to the latest version and try again";

export const conflict = (resource: ResourceName, name: string, why: string = modified): StatusError =>
  refuse(
    409,
    "Conflict",
    `Operation cannot be fulfilled on ${qualified(resource.plural, resource.group)} ${quote(name)}: ${why}`,
    detailsOf(resource, name),
  );

export const gone = (message: string): StatusError => refuse(410, "Gone", message);

/** A resource version or continue token that is too old. `continueToken` goes on from where the list was. */
export function expired(message: string, continueToken?: string): StatusError {
  const status = makeStatus(410, "Expired", message);
  return new StatusError(continueToken === undefined ? status : { ...status, metadata: { continue: continueToken } });
}

export const tooLarge = (message: string): StatusError =>
  refuse(413, "RequestEntityTooLarge", `Request entity too large: ${message}`);

/** `Pod "x" is invalid: spec.containers: Required value`; several in brackets, each once. */
export function invalid(kind: KindName, name: string, errors: readonly FieldError[]): StatusError {
  const texts = [...new Set(errors.map((error) => `${error.field}: ${error.message}`))];
  const all = texts.length === 1 ? (texts[0] ?? "") : `[${texts.join(", ")}]`;
  return refuse(422, "Invalid", `${qualified(kind.kind, kind.group)} ${quote(name)} is invalid: ${all}`, {
    ...(name === "" ? {} : { name }),
    ...(kind.group === "" ? {} : { group: kind.group }),
    kind: kind.kind,
    causes: errors.map(({ field, reason, message }) => ({ reason, message, field })),
  });
}

/** 422 of a patch that can't be applied to this object: a failed `test`, a path that isn't there. */
export const unprocessable = (message: string): StatusError => refuse(422, "Invalid", message);

export const tooManyRequests = (
  message: string,
  retryAfterSeconds: number,
  causes?: readonly StatusCause[],
): StatusError =>
  refuse(429, "TooManyRequests", message, {
    ...(causes === undefined ? {} : { causes }),
    ...(retryAfterSeconds > 0 ? { retryAfterSeconds } : {}),
  });

export function internalError(problem: unknown): StatusError {
  const { message } = asError(problem);
  return new StatusError(
    makeStatus(500, "InternalError", `Internal error occurred: ${message}`, { causes: [{ message }] }),
    problem,
  );
}

export const serviceUnavailable = (message: string): StatusError => refuse(503, "ServiceUnavailable", message);

export const timeout = (message: string, retryAfterSeconds = 0, causes?: readonly StatusCause[]): StatusError =>
  refuse(504, "Timeout", `Timeout: ${message}`, {
    ...(causes === undefined ? {} : { causes }),
    ...(retryAfterSeconds > 0 ? { retryAfterSeconds } : {}),
  });

/** What to send for anything that was thrown: its own Status, or 500 with the message. */
export const statusOf = (error: unknown): Status =>
  error instanceof StatusError ? error.status : internalError(error).status;
