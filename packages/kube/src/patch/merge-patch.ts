// JSON Merge Patch (RFC 7386): objects are merged, null deletes, anything else replaces. The input is never changed.
import type { Json } from "../types/index.ts";
import { cloneJson, isJsonObject, type JsonObject, setField } from "../value.ts";

export function mergePatch(current: Json | undefined, patch: Json): Json {
  if (!isJsonObject(patch)) return cloneJson(patch);
  const result: JsonObject = {};
  const base = isJsonObject(current) ? current : {};
  for (const [key, value] of Object.entries(base))
    if (!Object.hasOwn(patch, key)) setField(result, key, cloneJson(value));
  for (const [key, value] of Object.entries(patch))
    if (value !== null) setField(result, key, mergePatch(Object.hasOwn(base, key) ? base[key] : undefined, value));
  return result;
}
