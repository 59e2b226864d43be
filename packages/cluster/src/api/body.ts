// From a request's body to an object that may be stored: parsed, of the right kind, its fields known and of the right type.
import {
  badRequest,
  checkFields,
  cloneJson,
  decodingWarnings,
  type Json,
  type KindInfo,
  parseJson,
  parseYaml,
} from "@wherry/kube";
import { limits } from "./limits.ts";
import { bodyFormat } from "./negotiate.ts";
import { decodeProtobuf } from "./protobuf/decode.ts";
import { type FieldValidation, fieldValidation } from "./query.ts";
import type { Draft } from "./registry/objects.ts";
import type { ApiRequest } from "./types.ts";

interface Received {
  readonly value: Json;
  readonly duplicates: readonly string[];
}

/**
 * The body as plain JSON of our own, to be changed at will. Undefined without a body. @throws StatusError 400, 413, 415.
 * @param definition what it should be, in case that it is protobuf.
 */
export function readBody(request: ApiRequest, definition: string): Received | undefined {
  const { body, headers } = request;
  if (body === undefined) return undefined;
  if ("object" in body) return { value: cloneJson(body.object), duplicates: [] };
  const format = bodyFormat(headers["content-type"]);
  if ("bytes" in body) {
    if (format !== "protobuf") throw badRequest(`expected protobuf in the body, got ${format}`);
    return { value: decodeProtobuf(body.bytes, definition), duplicates: [] };
  }
  if (body.text.trim() === "") return undefined;
  return format === "yaml" ? parseYaml(body.text) : parseJson(body.text);
}

export interface ExpectedKind {
  readonly kind: string;
  /** `apps/v1`. */
  readonly apiVersion: string;
  /** Key into the definitions. */
  readonly definition: string;
}

export const apiVersionOf = ({ group, version }: Pick<KindInfo, "group" | "version">): string =>
  group === "" ? version : `${group}/${version}`;

export const expectedOf = (kind: KindInfo): ExpectedKind => ({
  kind: kind.kind,
  apiVersion: apiVersionOf(kind),
  definition: kind.definition,
});

/** The body as an object of one kind. Unknown fields stay in it: storing drops them. @throws StatusError 400, 413, 415. */
export function readObject(request: ApiRequest, expected: ExpectedKind, warnings: string[]): Draft {
  const received = readBody(request, expected.definition);
  if (received === undefined) throw badRequest(`expected a ${expected.kind} in the body, got none`);
  return asObject(received, expected, fieldValidation(request.query), warnings);
}

/** @throws StatusError 400 for another kind, wrong types, and with `Strict` for unknown and duplicate fields. */
export function asObject(
  { value, duplicates }: Received,
  expected: ExpectedKind,
  validation: FieldValidation,
  warnings: string[],
): Draft {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw badRequest(
      `expected a ${expected.kind} object in the body, got ${Array.isArray(value) ? "a list" : typeof value}`,
    );
  const { kind = expected.kind, apiVersion = expected.apiVersion } = value;
  if (kind !== expected.kind || apiVersion !== expected.apiVersion)
    throw badRequest(
      `the object in the body is ${JSON.stringify(kind)} of ${JSON.stringify(apiVersion)}, this path takes ` +
        `${expected.kind} of ${expected.apiVersion}`,
    );
  const findings = checkFields(expected.definition, value);
  const version = expected.apiVersion.slice(expected.apiVersion.indexOf("/") + 1);
  const found = decodingWarnings({ kind: expected.kind, version }, findings, duplicates, validation);
  warnings.push(...found.slice(0, limits.warningsMax));
  const metadata = (value["metadata"] ?? {}) as Draft["metadata"];
  return { ...value, apiVersion, kind, metadata };
}
