// JSON Patch (RFC 6902). Works on a copy: the input is never changed. A path goes through own fields only.
import { limits } from "../limits.ts";
import { badRequest, quote, type StatusError, tooLarge, unprocessable } from "../status.ts";
import type { Json } from "../types/index.ts";
import { cloneJson, deepEqual, isJsonObject, isObject, setField } from "../value.ts";

type Pointer = readonly string[];
interface Operation {
  readonly op: string;
  readonly path: Pointer;
  readonly from: Pointer;
  readonly value: Json | undefined;
}

function pointer(text: unknown, what: string): Pointer {
  if (typeof text !== "string" || (text !== "" && !text.startsWith("/")))
    throw badRequest(
      `json patch: ${what} must be a JSON pointer such as "/spec/replicas", got ${JSON.stringify(text)}`,
    );
  const steps = text
    .split("/")
    .slice(1)
    .map((step) => step.replace(/~1/g, "/").replace(/~0/g, "~"));
  if (steps.includes("__proto__")) throw badRequest(`json patch: ${what} ${quote(text)} is not allowed`);
  return steps;
}

const operations = new Set(["add", "remove", "replace", "move", "copy", "test"]);

function operation(given: Json): Operation {
  if (!isJsonObject(given))
    throw badRequest(`json patch: an operation must be an object, got ${JSON.stringify(given)}`);
  const { op } = given;
  if (typeof op !== "string" || !operations.has(op))
    throw badRequest(`json patch: op must be one of ${[...operations].join(", ")}, got ${JSON.stringify(op)}`);
  const needsFrom = op === "move" || op === "copy";
  const value = Object.hasOwn(given, "value") ? given["value"] : undefined;
  if (value === undefined && (op === "add" || op === "replace" || op === "test"))
    throw badRequest(`json patch: ${op} needs a value`);
  return { op, path: pointer(given["path"], "path"), from: needsFrom ? pointer(given["from"], "from") : [], value };
}

const missing = (op: string, path: Pointer): StatusError =>
  unprocessable(`json patch: ${op} of "/${path.join("/")}": the path does not exist`);

function listIndex(step: string, length: number): number | undefined {
  if (!/^(?:0|[1-9]\d{0,9})$/.test(step)) return undefined;
  const index = Number(step);
  return index < length ? index : undefined;
}

function child(node: Json, step: string): Json | undefined {
  if (Array.isArray(node)) {
    const index = listIndex(step, node.length);
    return index === undefined ? undefined : node[index];
  }
  return isJsonObject(node) && Object.hasOwn(node, step) ? node[step] : undefined;
}

function lookUp(document: Json, path: Pointer): Json | undefined {
  let node: Json | undefined = document;
  for (const step of path) node = node === undefined ? undefined : child(node, step);
  return node;
}

function add(document: Json, path: Pointer, value: Json): Json {
  const last = path.at(-1);
  if (last === undefined) return value;
  const parent = lookUp(document, path.slice(0, -1));
  if (Array.isArray(parent)) {
    const index = last === "-" ? parent.length : listIndex(last, parent.length + 1);
    if (index === undefined) throw missing("add", path);
    parent.splice(index, 0, value);
  } else if (isJsonObject(parent)) setField(parent, last, value);
  else throw missing("add", path);
  return document;
}

function remove(document: Json, path: Pointer, op: string): Json {
  const last = path.at(-1);
  if (last === undefined) return null;
  const parent = lookUp(document, path.slice(0, -1));
  if (parent === undefined || child(parent, last) === undefined) throw missing(op, path);
  if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else if (isJsonObject(parent)) Reflect.deleteProperty(parent, last);
  return document;
}

function replace(document: Json, path: Pointer, value: Json): Json {
  const last = path.at(-1);
  if (last === undefined) return value;
  const parent = lookUp(document, path.slice(0, -1));
  if (parent === undefined || child(parent, last) === undefined) throw missing("replace", path);
  if (Array.isArray(parent)) parent[Number(last)] = value;
  else if (isJsonObject(parent)) setField(parent, last, value);
  return document;
}

function countValues(value: Json): number {
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + countValues(item), 1);
  if (!isObject(value)) return 1;
  return Object.values(value).reduce<number>((sum, item) => sum + countValues(item), 1);
}

function move(document: Json, { from, path }: Operation): Json {
  const value = lookUp(document, from);
  if (value === undefined) throw missing("move", from);
  if (path.length > from.length && from.every((step, index) => step === path[index]))
    throw unprocessable(`json patch: move of "/${from.join("/")}" into itself`);
  return add(remove(document, from, "move"), path, value);
}

function test(document: Json, { path, value }: Operation): Json {
  const found = lookUp(document, path);
  // The API server's library (evanphx/json-patch) lets a test for null pass where nothing is.
  const holds = found === undefined ? value === null : deepEqual(found, value);
  if (!holds) throw unprocessable(`json patch: testing value "/${path.join("/")}" failed`);
  return document;
}

/**
 * @throws StatusError 400 for a malformed patch, 413 for too many operations, 422 for a path that isn't there or a `test` that
 *         fails.
 */
export function jsonPatch(current: Json, patch: Json): Json {
  if (!Array.isArray(patch)) throw badRequest("json patch: expected a list of operations");
  if (patch.length > limits.jsonPatchOperationsMax)
    throw tooLarge(
      `The allowed maximum operations in a JSON patch is ${limits.jsonPatchOperationsMax}, got ${patch.length}`,
    );
  let document = cloneJson(current);
  let copied = 0;
  for (const step of patch.map(operation)) {
    const { op, path, from, value = null } = step;
    if (op === "add") document = add(document, path, cloneJson(value));
    else if (op === "remove") document = remove(document, path, "remove");
    else if (op === "replace") document = replace(document, path, cloneJson(value));
    else if (op === "move") document = move(document, step);
    else if (op === "test") document = test(document, step);
    else {
      const source = lookUp(document, from);
      if (source === undefined) throw missing("copy", from);
      copied += countValues(source);
      if (copied > limits.jsonPatchCopiedValuesMax)
        throw tooLarge(`json patch: copy operations may add ${limits.jsonPatchCopiedValuesMax} values`);
      document = add(document, path, cloneJson(source));
    }
  }
  return document;
}
