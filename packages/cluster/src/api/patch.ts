// PATCH: which kind of patch it is, and its result as an object of the kind.
import {
  applyPatch,
  badRequest,
  type Json,
  type KindInfo,
  parseJson,
  type PlainPatchType,
  unsupportedMediaType,
} from "@wherry/kube";
import { cloneJson } from "@wherry/kube";
import { asObject, type ExpectedKind } from "./body.ts";
import { parseMediaType } from "./negotiate.ts";
import { fieldValidation } from "./query.ts";
import type { Draft } from "./registry/objects.ts";
import type { ApiRequest } from "./types.ts";

const patchTypes: Readonly<Record<string, PlainPatchType>> = {
  "application/json-patch+json": "json",
  "application/merge-patch+json": "merge",
  "application/strategic-merge-patch+json": "strategic",
};

/** What PATCH takes. Server-side apply is not among them yet. */
const patchContentTypes = Object.keys(patchTypes);

/**
 * The patch of a request, as a function of the current object.
 * @throws StatusError 400, 413, 415; the function throws what `applyPatch` and `asObject` throw.
 */
export function readPatch(
  request: ApiRequest,
  kind: Pick<KindInfo, "definition">,
  expected: ExpectedKind,
  warnings: string[],
): (current: unknown) => Draft {
  const { type } = parseMediaType(request.headers["content-type"] ?? "");
  const patchType = patchTypes[type];
  if (patchType === undefined) throw unsupportedMediaType(patchContentTypes);
  const patch = patchOf(request);
  const validation = fieldValidation(request.query);
  return (current) => {
    const patched = applyPatch(patchType, kind, cloneJson(current), patch.value);
    const found: string[] = [];
    const next = asObject({ value: patched, duplicates: patch.duplicates }, expected, validation, found);
    for (const text of found) if (!warnings.includes(text)) warnings.push(text);
    return next;
  };
}

function patchOf(request: ApiRequest): { readonly value: Json; readonly duplicates: readonly string[] } {
  const { body } = request;
  if (body === undefined) throw badRequest("expected a patch in the body, got none");
  if ("object" in body) return { value: cloneJson(body.object), duplicates: [] };
  return parseJson("text" in body ? body.text : Buffer.from(body.bytes).toString("utf8"));
}
