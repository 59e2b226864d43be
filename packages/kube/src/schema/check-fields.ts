// Does a JSON value have the fields and types of a definition? What Go's decoder would refuse or pass over, in its words.
// Looks only at shape: what values mean is validation's. Never changes the value.
import { limits } from "../limits.ts";
import { parseQuantity, quantityRule } from "../quantity.ts";
import { isObject } from "../value.ts";
import { type FieldType, fieldsOf, type ScalarName } from "./field-types.ts";

export interface FieldFinding {
  /** `spec.template.spec.containers[0].imagee`. */
  readonly path: string;
  readonly problem: "unknown" | "type";
  /** `unknown field "spec.x"`, or `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`. */
  readonly message: string;
}

interface Place {
  /** Of the struct that holds the field; Go's message names it. */
  readonly struct: string;
  readonly path: string;
  /** The path without indices and map keys, as Go's message has it. */
  readonly goPath: string;
}

const timePattern = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/;
const base64Pattern = /^(?:[A-Za-z0-9+/\r\n]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?[\r\n]*$/;

const goType: { readonly [name in ScalarName]: string } = {
  string: "string",
  boolean: "bool",
  int32: "int32",
  int64: "int64",
  double: "float64",
  byte: "[]uint8",
  Quantity: "resource.Quantity",
  Time: "v1.Time",
  MicroTime: "v1.MicroTime",
  IntOrString: "intstr.IntOrString",
  any: "interface {}",
};

function goTypeOf(type: FieldType): string {
  switch (type.is) {
    case "list":
      return `[]${goTypeOf(type.of)}`;
    case "map":
      return `map[string]${goTypeOf(type.of)}`;
    case "definition":
      return `v1.${type.name}`;
    case "scalar":
      return goType[type.name];
  }
}

function jsonTypeOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number" && !Number.isSafeInteger(value)) return `number ${value}`;
  return typeof value;
}

const integer = (value: unknown, max: number): boolean =>
  typeof value === "number" && Number.isInteger(value) && value >= -max - 1 && value <= max;
const isBase64 = (text: string): boolean =>
  base64Pattern.test(text) ||
  (text.replace(/[\r\n]/g, "").length % 4 === 0 && base64Pattern.test(text.replace(/[\r\n]/g, "")));

/** Undefined when the value fits; "" when its JSON type is wrong; else what is wrong with its text. */
function scalarProblem(name: ScalarName, value: unknown): string | undefined {
  const wrong = (fits: boolean): string | undefined => (fits ? undefined : "");
  switch (name) {
    case "any":
      return undefined;
    case "string":
      return wrong(typeof value === "string");
    case "boolean":
      return wrong(typeof value === "boolean");
    case "double":
      return wrong(typeof value === "number");
    case "int32":
      return wrong(integer(value, 2 ** 31 - 1));
    case "int64":
      // Beyond 2^53 JSON.parse has rounded already; Go would keep the exact number.
      return wrong(integer(value, 2 ** 63));
    case "IntOrString":
      return wrong(typeof value === "string" || integer(value, 2 ** 31 - 1));
    case "byte":
      if (typeof value !== "string") return "";
      return isBase64(value) ? undefined : "illegal base64 data";
    case "Quantity":
      if (typeof value !== "string" && typeof value !== "number") return "";
      return parseQuantity(value) === undefined ? quantityRule : undefined;
    case "Time":
    case "MicroTime":
      if (typeof value !== "string") return "";
      if (value === "" || (timePattern.test(value) && !Number.isNaN(Date.parse(value)))) return undefined;
      return `parsing time ${JSON.stringify(value)} as "2006-01-02T15:04:05Z07:00": cannot parse it`;
  }
}

class Checker {
  readonly findings: FieldFinding[] = [];

  #type(value: unknown, type: FieldType, at: Place, problem = ""): void {
    const message =
      problem === ""
        ? `json: cannot unmarshal ${jsonTypeOf(value)} into Go struct field ${at.struct}.${at.goPath} of type ${goTypeOf(type)}`
        : `${problem} (at ${at.path})`;
    this.findings.push({ path: at.path, problem: "type", message });
  }

  value(value: unknown, type: FieldType, at: Place): void {
    // null is every type's zero value, as if the field were not there.
    if (value === null || value === undefined || this.findings.length >= limits.findingsMax) return;
    if (type.is === "scalar") {
      const problem = scalarProblem(type.name, value);
      if (problem !== undefined) this.#type(value, type, at, problem);
    } else if (type.is === "list") {
      if (!Array.isArray(value)) this.#type(value, type, at);
      else
        for (const [index, item] of value.entries()) this.value(item, type.of, { ...at, path: `${at.path}[${index}]` });
    } else if (!isObject(value)) this.#type(value, type, at);
    else if (type.is === "map")
      for (const [key, item] of Object.entries(value)) this.value(item, type.of, { ...at, path: `${at.path}.${key}` });
    else this.struct(type.name, value, at.path, at.goPath);
  }

  struct(definition: string, value: { readonly [key: string]: unknown }, path: string, goPath: string): void {
    const fields = fieldsOf(definition);
    for (const [name, item] of Object.entries(value)) {
      const below = path === "" ? name : `${path}.${name}`;
      const field = fields.get(name);
      if (field !== undefined)
        this.value(item, field.type, {
          struct: definition,
          path: below,
          goPath: goPath === "" ? name : `${goPath}.${name}`,
        });
      else if (this.findings.length < limits.findingsMax)
        this.findings.push({ path: below, problem: "unknown", message: `unknown field ${JSON.stringify(below)}` });
    }
  }
}

/**
 * Unknown fields and wrong types of a value, at most `limits.findingsMax`. Whether an unknown field is an error, a warning or
 * nothing is the caller's `fieldValidation`; a wrong type is always a 400.
 */
export function checkFields(definition: string, value: unknown): FieldFinding[] {
  const checker = new Checker();
  checker.value(value, { is: "definition", name: definition }, { struct: definition, path: "", goPath: "" });
  return checker.findings;
}
