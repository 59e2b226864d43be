// Makes of what a client sent the object that is stored: unknown fields and nulls dropped, quantities and times canonical, defaults
// filled in. Idempotent, and the input is never changed. Wrong types are `checkFields`' business; here they pass through.
import { canonicalQuantity } from "../quantity.ts";
import { type FieldType, fieldsOf, type ScalarName } from "../schema/field-types.ts";
import { microTimeText, timeOf, timeText } from "../time.ts";
import type { Json, KubeObject } from "../types/index.ts";
import { cloneJson, isJsonObject, type JsonObject, setField } from "../value.ts";
import { computed, constants } from "./table.ts";

/** The one text of a quantity or a time; whatever can't be read stays, for validation to refuse. */
function canonicalScalar(name: ScalarName, value: Json): Json {
  if (name === "Quantity") return canonicalQuantity(value) ?? value;
  if (name !== "Time" && name !== "MicroTime") return value;
  const ms = timeOf(value);
  if (ms === undefined) return value === "" ? null : value;
  if (name === "Time") return timeText(ms);
  const micros = /\.\d{3}(\d{1,3})/.exec(value as string)?.[1] ?? "";
  return microTimeText(ms).replace(/000Z$/, `${micros.padEnd(3, "0")}Z`);
}

function decodeValue(type: FieldType, value: Json): Json {
  if (type.is === "list") {
    if (!Array.isArray(value)) return value;
    return value.map((item) => decodeValue(type.of, item)).filter((item) => item !== null);
  }
  if (type.is === "scalar") return canonicalScalar(type.name, value);
  if (!isJsonObject(value)) return value;
  if (type.is === "definition") return decodeObject(type.name, value);
  const map: JsonObject = {};
  for (const [key, item] of Object.entries(value)) if (item !== null) setField(map, key, decodeValue(type.of, item));
  return map;
}

/** `object` is a copy that may be changed; what comes back is made of known fields only, in the order they came. */
function decodeObject(definition: string, object: JsonObject): JsonObject {
  const fields = fieldsOf(definition);
  const defaults = Object.hasOwn(constants, definition) ? (constants[definition] ?? {}) : {};
  for (const [name, value] of Object.entries(defaults))
    if (object[name] === undefined || object[name] === null) object[name] = cloneJson(value);
  if (Object.hasOwn(computed, definition)) computed[definition]?.(object);
  const result: JsonObject = {};
  for (const [name, value] of Object.entries(object)) {
    const field = fields.get(name);
    const decoded = field === undefined || value === null ? null : decodeValue(field.type, value);
    if (decoded !== null) setField(result, name, decoded);
  }
  return result;
}

interface KindName {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly definition: string;
}

/** The defaulted object, changeable, sharing nothing with the input; with `apiVersion` and `kind` of the kind. */
export function applyDefaults<T extends KubeObject>(kind: KindName, object: T): T {
  const apiVersion = kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
  const given = cloneJson(object) as JsonObject;
  return decodeObject(kind.definition, { ...given, kind: kind.kind, apiVersion }) as unknown as T;
}

/** The same for a body that is no kind of its own (`Scale`, `Binding`, `DeleteOptions`). */
export function decodeAs(definition: string, value: Json): Json {
  const copy = cloneJson(value);
  return isJsonObject(copy) ? decodeObject(definition, copy) : copy;
}
