// Query parameters of resource requests, checked. https://kubernetes.io/docs/reference/kubernetes-api/common-parameters/
import {
  badRequest,
  type FieldSelector,
  invalid,
  type KindInfo,
  parseFieldSelector,
  parseLabelSelector,
} from "@wherry/kube";
import { limits } from "./limits.ts";
import { checkVersionMatch, type ListQuery } from "./registry/list.ts";
import type { StoredObject } from "./registry/objects.ts";

export function flag(query: URLSearchParams, name: string): boolean {
  const text = query.get(name);
  return text !== null && text !== "" && text !== "false" && text !== "0";
}

/** A whole number, or undefined. @throws StatusError 400. */
export function integer(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === "") return undefined;
  const number = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(number))
    throw badRequest(`${name}: expected a whole number, got ${JSON.stringify(text.slice(0, 64))}`);
  return number;
}

/** @throws StatusError 400 for anything but `dryRun=All`. */
export function isDryRun(query: URLSearchParams, fromBody: readonly string[] = []): boolean {
  const values = [...query.getAll("dryRun"), ...fromBody].filter((value) => value !== "");
  if (values.some((value) => value !== "All"))
    throw badRequest(`dryRun: expected "All", got ${JSON.stringify(values.join(",").slice(0, 64))}`);
  return values.length > 0;
}

export type FieldValidation = "Ignore" | "Warn" | "Strict";

export function fieldValidation(query: URLSearchParams): FieldValidation {
  const text = query.get("fieldValidation") ?? "";
  if (text === "" || text === "Warn") return "Warn";
  if (text === "Ignore" || text === "Strict") return text;
  throw badRequest(`fieldValidation: expected "Ignore", "Warn" or "Strict", got ${JSON.stringify(text.slice(0, 64))}`);
}

/** Which objects a request selects; undefined: all. */
export function matcher(
  kind: KindInfo,
  query: URLSearchParams,
  name?: string,
): ((object: StoredObject) => boolean) | undefined {
  const labels = selectorText(query, "labelSelector");
  const fields = selectorText(query, "fieldSelector");
  const tests: ((object: StoredObject) => boolean)[] = [];
  if (name !== undefined) tests.push((object) => object.metadata.name === name);
  if (fields !== "") {
    const selector: FieldSelector = parseFieldSelector(kind, fields);
    tests.push((object) => selector.matches(object));
  }
  if (labels !== "") {
    const selector = parseLabelSelector(labels);
    tests.push((object) => selector.matches(object.metadata.labels));
  }
  const [first, ...rest] = tests;
  if (first === undefined) return undefined;
  return rest.length === 0 ? first : (object) => tests.every((test) => test(object));
}

function selectorText(query: URLSearchParams, name: string): string {
  const text = query.get(name) ?? "";
  if (text.length > limits.selectorLengthMax)
    throw badRequest(`${name}: expected at most ${limits.selectorLengthMax} characters, got ${text.length}`);
  return text;
}

/** @throws StatusError 400, 422. */
export function listQuery(kind: KindInfo, query: URLSearchParams): ListQuery {
  const limit = integer(query, "limit");
  if (limit !== undefined && limit < 0) throw badRequest(`limit: expected a number ≥ 0, got ${limit}`);
  const matches = matcher(kind, query);
  const options: ListQuery = {
    ...(matches !== undefined && { matches }),
    ...(limit !== undefined && { limit }),
    ...textOption(query, "continue"),
    ...textOption(query, "resourceVersion"),
    ...textOption(query, "resourceVersionMatch"),
  };
  if (query.has("sendInitialEvents"))
    throw invalid(listOptionsKind, "", [
      {
        field: "sendInitialEvents",
        reason: "FieldValueForbidden",
        message: "Forbidden: sendInitialEvents is forbidden for list",
      },
    ]);
  const problem = checkVersionMatch(options);
  if (problem !== undefined) throw invalid(listOptionsKind, "", [problem]);
  return options;
}

export const listOptionsKind = { group: "meta.k8s.io", kind: "ListOptions" } as const;

type TextOption = "continue" | "resourceVersion" | "resourceVersionMatch";

function textOption(query: URLSearchParams, name: TextOption): Partial<Record<TextOption, string>> {
  const text = query.get(name);
  return text === null ? {} : { [name]: text };
}
