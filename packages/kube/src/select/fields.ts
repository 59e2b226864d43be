// Field selectors: `?fieldSelector=spec.nodeName=n1,status.phase!=Failed`. Only the fields in the table can be selected on.
// https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/
import { limits } from "../limits.ts";
import { badRequest, quote } from "../status.ts";
import { fieldAt } from "../value.ts";

/** Selectable besides metadata.name and metadata.namespace; the value is what an absent field counts as. */
const selectable: { readonly [kind: string]: { readonly [path: string]: string } } = {
  Pod: {
    "spec.nodeName": "",
    "spec.restartPolicy": "",
    "spec.schedulerName": "",
    "spec.serviceAccountName": "",
    "spec.hostNetwork": "false",
    "status.phase": "",
    "status.podIP": "",
    "status.podIPs": "",
    "status.nominatedNodeName": "",
  },
  Event: {
    "involvedObject.kind": "",
    "involvedObject.namespace": "",
    "involvedObject.name": "",
    "involvedObject.uid": "",
    "involvedObject.apiVersion": "",
    "involvedObject.resourceVersion": "",
    "involvedObject.fieldPath": "",
    reason: "",
    reportingComponent: "",
    source: "",
    type: "",
  },
  Secret: { type: "" },
  Namespace: { "status.phase": "" },
  ReplicaSet: { "status.replicas": "0" },
  Node: { "spec.unschedulable": "false" },
  Service: { "spec.clusterIP": "", "spec.type": "" },
};

/** Paths that are not where their name says. */
const located: { readonly [path: string]: readonly (string | number)[] } = {
  "status.podIPs": ["status", "podIPs", 0, "ip"],
  source: ["source", "component"],
};

interface Term {
  readonly path: string;
  readonly value: string;
  readonly equal: boolean;
  readonly absent: string;
}

export interface FieldSelector {
  readonly matchesAll: boolean;
  matches(object: unknown): boolean;
  /** The value that a field must have (`spec.nodeName=n1`), for use of an index. */
  equals(path: string): string | undefined;
  toString(): string;
}

function valueOf(object: unknown, { path, absent }: Term): string {
  let value = fieldAt(object, located[path] ?? path.split("."));
  if (path === "source" && (value === undefined || value === "")) value = fieldAt(object, ["reportingComponent"]);
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : absent;
}

/** The fields of a kind that can be selected on, without metadata.name and metadata.namespace. */
export const selectableFields = (kind: string): readonly string[] =>
  Object.keys(Object.hasOwn(selectable, kind) ? (selectable[kind] ?? {}) : {});

function absentValue(kind: string, path: string): string {
  if (path === "metadata.name" || path === "metadata.namespace") return "";
  const known = Object.hasOwn(selectable, kind) ? selectable[kind] : undefined;
  if (known === undefined)
    throw badRequest(`${quote(path)} is not a known field selector: only "metadata.name", "metadata.namespace"`);
  if (!Object.hasOwn(known, path)) throw badRequest(`field label not supported: ${path}`);
  return known[path] ?? "";
}

/** Splits at commas that no backslash escapes. */
const splitTerms = (text: string): string[] => text.match(/(?:\\.|[^,\\])+/gs) ?? [];
const unescape = (text: string): string => text.replace(/\\([\\,=])/g, "$1");

const escape = (text: string): string => text.replace(/[\\,=]/g, "\\$&");

/** @throws StatusError 400 for bad syntax and for fields that this kind can't be selected by. */
export function parseFieldSelector(kind: { readonly kind: string }, text: string): FieldSelector {
  if (text.length > limits.selectorTextMax)
    throw badRequest(`a field selector has at most ${limits.selectorTextMax} characters, got ${text.length}`);
  const terms: Term[] = splitTerms(text).map((part) => {
    const match = /^([^=!]+)(!=|==|=)(.*)$/s.exec(part.trim());
    const [, path, operator, value] = match ?? [];
    if (path === undefined || operator === undefined || value === undefined)
      throw badRequest(`invalid field selector: ${quote(text)}; can't understand ${quote(part)}`);
    return { path, value: unescape(value), equal: operator !== "!=", absent: absentValue(kind.kind, path) };
  });
  return {
    matchesAll: terms.length === 0,
    matches: (object) => terms.every((term) => (valueOf(object, term) === term.value) === term.equal),
    equals: (path) => terms.find((term) => term.equal && term.path === path)?.value,
    toString: () => terms.map(({ path, equal, value }) => `${path}${equal ? "=" : "!="}${escape(value)}`).join(","),
  };
}
