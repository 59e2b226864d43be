// Strategic merge patch: a merge patch in which lists of objects are joined by key, with directives. The rules are those of
// k8s.io/apimachinery pkg/util/strategicpatch; merge keys come from ../schema/lists.ts. The input is never changed.
import { definitionBelow } from "../schema/field-types.ts";
import { listRule } from "../schema/lists.ts";
import { badRequest, quote } from "../status.ts";
import type { Json } from "../types/index.ts";
import { cloneJson, deepEqual, isJsonObject, type JsonObject, setField } from "../value.ts";

const patchDirective = "$patch";
const retainKeys = "$retainKeys";
const deleteFrom = "$deleteFromPrimitiveList/";
const elementOrder = "$setElementOrder/";

const own = (object: JsonObject, key: string): Json | undefined =>
  Object.hasOwn(object, key) ? object[key] : undefined;

const listOf = (value: Json | undefined, what: string): Json[] => {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw badRequest(`invalid strategic merge patch: ${what} must be a list`);
  return value;
};

/** Applies `$retainKeys`: whatever the patch doesn't list goes. */
function retain(result: JsonObject, patch: JsonObject): void {
  const directive = own(patch, retainKeys);
  if (directive === undefined) return;
  const kept = new Set(listOf(directive, retainKeys));
  for (const key of Object.keys(patch))
    if (!key.startsWith("$") && patch[key] !== null && !kept.has(key))
      throw badRequest(`invalid strategic merge patch: ${quote(key)} is set but not in ${retainKeys}`);
  for (const key of Object.keys(result)) if (!kept.has(key)) Reflect.deleteProperty(result, key);
}

function mergeObject(current: JsonObject, patch: JsonObject, definition: string | undefined): JsonObject {
  const directive = own(patch, patchDirective);
  if (directive === "delete") return {};
  const base = directive === "replace" ? {} : current;
  if (directive !== undefined && directive !== "replace" && directive !== "merge")
    throw badRequest(`invalid strategic merge patch: unknown ${patchDirective} type ${JSON.stringify(directive)}`);
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(base)) setField(result, key, value);
  retain(result, patch);
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith("$")) continue;
    if (value === null) Reflect.deleteProperty(result, key);
    else setField(result, key, mergeField(own(result, key), value, definition, key));
  }
  deleteFromLists(result, patch);
  orderLists(base, result, patch, definition);
  return result;
}

function mergeField(current: Json | undefined, patch: Json, definition: string | undefined, key: string): Json {
  const below = definitionBelow(definition, key);
  const rule = listRule(definition, key);
  if (isJsonObject(patch)) {
    const base = isJsonObject(current) && rule?.whole !== true ? current : {};
    return mergeObject(base, patch, below);
  }
  if (!Array.isArray(patch)) return patch;
  if (rule?.merge !== true) return patch.map((item) => (isJsonObject(item) ? withoutDirectives(item) : item));
  const list = Array.isArray(current) ? current : [];
  return rule.mergeKey === undefined ? mergeSet(list, patch) : mergeList(list, patch, rule.mergeKey, below, key);
}

/** In an atomic list nothing is merged, so a directive there has no meaning but must not be stored. */
function withoutDirectives(item: JsonObject): JsonObject {
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(item)) if (!key.startsWith("$")) setField(result, key, value);
  return result;
}

function mergeSet(list: readonly Json[], patch: readonly Json[]): Json[] {
  const result = [...list];
  for (const item of patch) if (!result.some((known) => deepEqual(known, item))) result.push(item);
  return result;
}

function keyOf(item: Json, mergeKey: string, field: string): Json {
  const key = isJsonObject(item) ? own(item, mergeKey) : undefined;
  if (key === undefined || key === null)
    throw badRequest(
      `invalid strategic merge patch: item of ${quote(field)} does not contain declared merge key: ${mergeKey}`,
    );
  return key;
}

const hasKey = (item: Json, mergeKey: string, key: Json): boolean => isJsonObject(item) && own(item, mergeKey) === key;

function mergeList(
  list: readonly Json[],
  patch: readonly Json[],
  mergeKey: string,
  definition: string | undefined,
  field: string,
): Json[] {
  const replaces = patch.some((item) => isJsonObject(item) && item[patchDirective] === "replace");
  let result: Json[] = replaces ? [] : [...list];
  for (const item of patch) {
    if (!isJsonObject(item))
      throw badRequest(`invalid strategic merge patch: items of ${quote(field)} must be objects`);
    const directive = own(item, patchDirective);
    if (directive === "delete") {
      const key = keyOf(item, mergeKey, field);
      result = result.filter((known) => !hasKey(known, mergeKey, key));
      continue;
    }
    // `{$patch: replace}` alone only says that the other items are the whole list.
    if (directive === "replace" && own(item, mergeKey) === undefined) continue;
    const key = keyOf(item, mergeKey, field);
    const at = result.findIndex((known) => hasKey(known, mergeKey, key));
    const known = result[at];
    const plain = directive === "replace" ? withoutDirectives(item) : item;
    const merged = mergeObject(isJsonObject(known) ? known : {}, plain, definition);
    if (at < 0) result.push(merged);
    else result[at] = merged;
  }
  return result;
}

function deleteFromLists(result: JsonObject, patch: JsonObject): void {
  for (const [key, value] of Object.entries(patch)) {
    if (!key.startsWith(deleteFrom)) continue;
    const name = key.slice(deleteFrom.length);
    const list = own(result, name);
    const gone = listOf(value, key);
    if (Array.isArray(list))
      setField(
        result,
        name,
        list.filter((item) => !gone.some((removed) => deepEqual(removed, item))),
      );
  }
}

/** Applies `$setElementOrder/<field>`: what it names comes in its order; what only the server has keeps its place. */
function orderLists(base: JsonObject, result: JsonObject, patch: JsonObject, definition: string | undefined): void {
  for (const [key, value] of Object.entries(patch)) {
    if (!key.startsWith(elementOrder)) continue;
    const name = key.slice(elementOrder.length);
    const list = own(result, name);
    const rule = listRule(definition, name);
    if (!Array.isArray(list) || rule?.merge !== true) continue;
    const { mergeKey } = rule;
    const identify = (item: Json): Json =>
      mergeKey !== undefined && isJsonObject(item) ? (own(item, mergeKey) ?? null) : item;
    const wanted = listOf(value, key).map(identify);
    const live = listOf(own(base, name), name).map(identify);
    setField(result, name, ordered(list, wanted, live, identify));
  }
}

function ordered(list: readonly Json[], wanted: Json[], live: Json[], identify: (item: Json) => Json): Json[] {
  const place = (item: Json): number => wanted.indexOf(identify(item));
  const named = list.filter((item) => place(item) >= 0).sort((a, b) => place(a) - place(b));
  const others = list.filter((item) => place(item) < 0);
  const result: Json[] = [];
  for (const item of named) {
    // A server-only item goes before the first named one that followed it in the live list.
    const at = live.indexOf(identify(item));
    while (others[0] !== undefined && at >= 0) {
      const other = live.indexOf(identify(others[0]));
      if (other < 0 || other > at) break;
      result.push(others[0]);
      others.shift();
    }
    result.push(item);
  }
  return [...result, ...others];
}

/** @param definition key into `definitions`, for the merge keys. @throws StatusError 400 for a malformed patch. */
export function strategicMerge(definition: string, current: Json, patch: Json): Json {
  if (!isJsonObject(patch)) throw badRequest("invalid strategic merge patch: expected an object");
  return mergeObject(
    isJsonObject(current) ? (cloneJson(current) as JsonObject) : {},
    cloneJson(patch) as JsonObject,
    definition,
  );
}
