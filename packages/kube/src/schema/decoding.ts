// What the API answers to the findings of `checkFields` and `parseJson`, by `?fieldValidation=`.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation
import { badRequest, type StatusError } from "../status.ts";
import type { FieldFinding } from "./check-fields.ts";

export type FieldValidation = "Ignore" | "Warn" | "Strict";

interface KindName {
  readonly kind: string;
  readonly version: string;
}

const unhandled = ({ kind, version }: KindName, why: string): StatusError =>
  badRequest(`${kind} in version "${version}" cannot be handled as a ${kind}: ${why}`);

/**
 * Warnings to send along (`Warn`), or the refusal: of wrong types always, of unknown and duplicate fields when `Strict`.
 * @throws StatusError 400, `Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.x"`
 */
export function decodingWarnings(
  kind: KindName,
  findings: readonly FieldFinding[],
  duplicates: readonly string[],
  validation: FieldValidation,
): string[] {
  const wrong = findings.find(({ problem }) => problem === "type");
  if (wrong !== undefined) throw unhandled(kind, wrong.message);
  if (validation === "Ignore") return [];
  const texts = [
    ...findings.map(({ message }) => message),
    ...duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`),
  ];
  if (validation === "Strict" && texts.length > 0) throw unhandled(kind, `strict decoding error: ${texts.join(", ")}`);
  return texts;
}
