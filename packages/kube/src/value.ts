// Plain JSON values: equality, freezing, copying. Knows no kind, and never touches a prototype.
import type { Json } from "./types/index.ts";

export type JsonObject = { [key: string]: Json };

/** A JSON object: neither null nor a list. */
export const isObject = (value: unknown): value is { [key: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const isJsonObject = (value: Json | undefined): value is JsonObject => isObject(value);

/** An own field, or undefined: `field(x, "constructor")` is never the inherited one. */
export const field = (value: unknown, key: string): unknown =>
  isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;

/** What lies at a path of fields (and list indices), or undefined. */
export function fieldAt(value: unknown, path: readonly (string | number)[]): unknown {
  let current = value;
  for (const step of path) {
    if (typeof step === "number") current = Array.isArray(current) ? (current as unknown[])[step] : undefined;
    else current = field(current, step);
  }
  return current;
}

/** Sets an own field, also where the key is `__proto__`, without ever calling a setter. */
export function setField(target: JsonObject, key: string, value: Json): void {
  if (key === "__proto__")
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  else target[key] = value;
}

/**
 * The same JSON: order of keys does not matter, a field that is undefined counts as absent; null, `{}` and `[]` are values of
 * their own (an empty label selector matches all, an absent one nothing).
 */
export function deepEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => deepEqual(item, (b as unknown[])[index]));
  }
  if (Array.isArray(b)) return false;
  for (const key of Object.keys(a)) if (!deepEqual(field(a, key), field(b, key))) return false;
  for (const key of Object.keys(b)) if (field(b, key) !== undefined && field(a, key) === undefined) return false;
  return true;
}

/** Freezes a JSON value in place, all the way down; a part that is frozen already is taken to be frozen below, too. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const key of Object.keys(value)) deepFreeze((value as Record<string, unknown>)[key]);
  return value;
}

/** A changeable copy of JSON. Undefined fields are left out. */
export function cloneJson(value: unknown): Json {
  if (typeof value !== "object" || value === null) return value as Json;
  if (Array.isArray(value)) return value.map(cloneJson);
  const copy: JsonObject = {};
  for (const [key, item] of Object.entries(value)) if (item !== undefined) setField(copy, key, cloneJson(item));
  return copy;
}

/** JSON text with sorted keys: the same text for equal values. */
export function stableJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stableJson).join(",")}]`;
  if (!isObject(value)) return value === undefined ? "null" : JSON.stringify(value);
  const keys = Object.keys(value).filter((key) => value[key] !== undefined);
  return `{${keys
    .sort()
    .map((key) => `${JSON.stringify(key)}:${stableJson(value[key])}`)
    .join(",")}}`;
}
