// Applies the tables of rules.ts to an object, definition by definition, and lets a kind's own checks look at each part on
// the way. Looks at specs only: what controllers report in `status` is theirs.
import { type Field, fieldsOf } from "../schema/field-types.ts";
import { parseQuantity } from "../quantity.ts";
import { isObject } from "../value.ts";
import { below, type Errors } from "./errors.ts";
import { allowedValues, mayBeEmpty, notRequired, ranges, texts, uniqueBy } from "./rules.ts";

export type Part = { readonly [field: string]: unknown };
/** A check of one definition that needs more than one of its fields. */
export type Check = (part: Part, path: string, errors: Errors) => void;
export type Checks = { readonly [definition: string]: Check };

function rule<T>(
  table: { readonly [definition: string]: { readonly [field: string]: T } },
  definition: string,
  name: string,
) {
  if (!Object.hasOwn(table, definition)) return undefined;
  const fields = table[definition];
  return fields !== undefined && Object.hasOwn(fields, name) ? fields[name] : undefined;
}

const isEmpty = (value: unknown): boolean =>
  value === undefined || value === null || value === "" || (Array.isArray(value) && value.length === 0);

function rangeProblem(value: number, [low, high]: readonly [number, number]): string | undefined {
  if (value >= low && value <= high) return undefined;
  if (high !== Infinity) return `must be between ${low} and ${high}, inclusive`;
  return low === 0 ? "must be greater than or equal to 0" : "must be greater than 0";
}

function checkScalar(definition: string, { name }: Field, value: unknown, path: string, errors: Errors): void {
  const allowed = rule(allowedValues, definition, name);
  if (
    allowed !== undefined &&
    typeof value === "string" &&
    !allowed.includes(value) &&
    !(value === "" && allowed.includes(""))
  )
    errors.unsupported(path, value, allowed);
  const range = rule(ranges, definition, name);
  if (range !== undefined && typeof value === "number") {
    const problem = rangeProblem(value, range);
    if (problem !== undefined) errors.invalid(path, value, problem);
  }
  if (typeof value === "string" && value !== "")
    for (const problem of rule(texts, definition, name)?.(value) ?? []) errors.invalid(path, value, problem);
}

function checkUnique(definition: string, name: string, list: readonly unknown[], path: string, errors: Errors): void {
  const key = rule(uniqueBy, definition, name);
  if (key === undefined) return;
  const seen = new Set<unknown>();
  for (const [index, item] of list.entries()) {
    const value = isObject(item) ? item[key] : undefined;
    if (isEmpty(value)) continue;
    const fieldPath = `${path}[${index}].${key}`;
    // Kubernetes words this one differently.
    if (seen.has(value) && key === "mountPath") errors.invalid(fieldPath, value, "must be unique");
    else if (seen.has(value)) errors.duplicate(fieldPath, value);
    seen.add(value);
  }
}

function checkQuantities(map: Part, path: string, errors: Errors): void {
  for (const [name, text] of Object.entries(map)) {
    const quantity = parseQuantity(text);
    if (quantity === undefined)
      errors.invalid(`${path}[${name}]`, text, "must be a quantity, for example 500m or 128Mi");
    else if (quantity.nano < 0n) errors.invalid(`${path}[${name}]`, text, "must be greater than or equal to 0");
  }
}

function checkField(
  definition: string,
  field: Field,
  value: unknown,
  path: string,
  errors: Errors,
  checks: Checks,
): void {
  const { type, required, name } = field;
  if (required && isEmpty(value)) {
    const key = `${definition}.${name}`;
    if (notRequired.has(key) || (mayBeEmpty.has(key) && value === "")) return;
    errors.required(path);
    return;
  }
  if (value === undefined || value === null) return;
  if (type.is === "scalar") checkScalar(definition, field, value, path, errors);
  else if (type.is === "definition") {
    if (isObject(value)) walk(type.name, value, path, errors, checks);
  } else if (type.is === "list" && Array.isArray(value)) {
    checkUnique(definition, name, value, path, errors);
    const { of } = type;
    if (of.is === "definition")
      for (const [index, item] of value.entries())
        if (isObject(item)) walk(of.name, item, `${path}[${index}]`, errors, checks);
  } else if (type.is === "map" && type.of.is === "scalar" && type.of.name === "Quantity" && isObject(value))
    checkQuantities(value, path, errors);
}

export function walk(definition: string, part: Part, path: string, errors: Errors, checks: Checks): void {
  for (const field of fieldsOf(definition).values()) {
    if (path === "" && field.name === "status") continue;
    const value = Object.hasOwn(part, field.name) ? part[field.name] : undefined;
    checkField(definition, field, value, below(path, field.name), errors, checks);
  }
  if (Object.hasOwn(checks, definition)) checks[definition]?.(part, path, errors);
}
