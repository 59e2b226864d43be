// Makes a Status of any refusal. Mostly it is there already; a proxy, a load balancer or a half-started server may answer
// with anything else, and that must not look like an answer of Kubernetes.
import { makeStatus } from "../status.ts";
import type { Status } from "../types/index.ts";
import { answerExcerptCharactersMax } from "./limits.ts";
import type { TransportRequest } from "./types.ts";

/** client-go's table for answers without a Status (apimachinery: pkg/api/errors, NewGenericServerResponse). */
const reasons: Readonly<Record<number, string>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  405: "MethodNotAllowed",
  406: "NotAcceptable",
  409: "Conflict",
  410: "Gone",
  413: "RequestEntityTooLarge",
  415: "UnsupportedMediaType",
  422: "Invalid",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
  504: "Timeout",
};

function isStatus(body: unknown): body is Status {
  return typeof body === "object" && body !== null && (body as { kind?: unknown }).kind === "Status";
}

/** The Status of an answer that is no 2xx. */
export function statusOfAnswer(
  httpStatus: number,
  body: unknown,
  request: Pick<TransportRequest, "method" | "path">,
): Status {
  if (isStatus(body)) return { ...body, code: body.code ?? httpStatus };
  const text = typeof body === "string" ? body : body === undefined ? "" : JSON.stringify(body);
  const excerpt = text.trim().slice(0, answerExcerptCharactersMax);
  const said = excerpt === "" ? "without a body" : `saying: ${excerpt}`;
  return makeStatus(
    httpStatus,
    reasons[httpStatus] ?? "Unknown",
    `the server answered ${request.method} /${request.path.join("/")} with ${httpStatus}, ${said}`,
  );
}
