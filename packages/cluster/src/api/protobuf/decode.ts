// Request bodies in Kubernetes' protobuf, which client-go's typed clients send unless told otherwise (kubectl create, helm,
// operators). Answers are always JSON: these clients accept both. What is decoded here goes through the same checks as JSON.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
import { badRequest, type FieldType, fieldsOf, type Json, parseJson } from "@wherry/kube";
import { limits } from "../limits.ts";
import { protobufFields } from "./generated/fields.ts";
import { ProtobufReader } from "./reader.ts";

type JsonObject = { [field: string]: Json };

interface WireField {
  readonly name: string;
  /** It may have a zero value on purpose: Go has a pointer there. */
  readonly optional: boolean;
  /** Its fields belong to the message that it lies in. */
  readonly inlined: boolean;
}

const tables = new Map<string, ReadonlyMap<number, WireField>>();
const noFields: ReadonlyMap<number, WireField> = new Map();

function tableOf(message: string): ReadonlyMap<number, WireField> {
  const known = tables.get(message);
  if (known !== undefined) return known;
  if (!Object.hasOwn(protobufFields, message)) return noFields;
  const table = new Map(
    (protobufFields[message] ?? "").split(" ").map((entry) => {
      const [, number = "", plus, name = "", question] = /^(\d+):(\+?)([^?]*)(\??)$/.exec(entry) ?? [];
      return [Number(number), { name, optional: question === "?", inlined: plus === "+" }] as const;
    }),
  );
  tables.set(message, table);
  return table;
}

/** The magic that starts every body: `k8s` and a zero. */
const magic = Buffer.from("k8s\0", "latin1");

/**
 * The object of an envelope, with apiVersion and kind as they were sent. Fields of numbers that are not known are left out.
 * @throws StatusError 400 for anything that is no protobuf of this definition.
 */
export function decodeProtobuf(bytes: Uint8Array, definition: string): Json {
  return decodeProtobufWith(bytes, (object, raw) => decodeInto(object, raw, definition, definition, 0));
}

/** The same for messages without a definition. @param fill puts the fields of the message into the object */
export function decodeProtobufWith(bytes: Uint8Array, fill: (object: JsonObject, raw: Uint8Array) => void): Json {
  try {
    if (!magic.equals(bytes.subarray(0, magic.length))) throw new RangeError('it does not start with "k8s\\0"');
    return decodeEnvelope(bytes.subarray(magic.length), fill);
  } catch (problem) {
    if (!(problem instanceof RangeError)) throw problem;
    throw badRequest(`the body is not protobuf of a Kubernetes object: ${problem.message}`);
  }
}

/** k8s.io/apimachinery pkg/runtime: Unknown. */
function decodeEnvelope(bytes: Uint8Array, fill: (object: JsonObject, raw: Uint8Array) => void): Json {
  const type: { apiVersion?: string; kind?: string } = {};
  let raw: Uint8Array = new Uint8Array();
  let contentType = "";
  const envelope = new ProtobufReader(bytes);
  while (envelope.next()) {
    if (envelope.field === 1) Object.assign(type, decodeTypeMeta(envelope.bytes()));
    else if (envelope.field === 2) raw = envelope.bytes();
    else if (envelope.field === 4) contentType = envelope.text();
    else envelope.skip();
  }
  if (contentType === "application/json") return parseJson(Buffer.from(raw).toString("utf8")).value;
  const object: JsonObject = { ...(type as JsonObject) };
  fill(object, raw);
  return object;
}

function decodeTypeMeta(bytes: Uint8Array): { apiVersion?: string; kind?: string } {
  const type: { apiVersion?: string; kind?: string } = {};
  const reader = new ProtobufReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) type.apiVersion = reader.text();
    else if (reader.field === 2) type.kind = reader.text();
    else reader.skip();
  }
  return type;
}

/** @param message whose numbers count. @param definition whose types count: another one for what is inlined. */
function decodeInto(target: JsonObject, bytes: Uint8Array, message: string, definition: string, depth: number): void {
  if (depth > limits.protobufDepthMax)
    throw new RangeError(`it is nested more than ${limits.protobufDepthMax} levels deep`);
  const table = tableOf(message);
  const fields = fieldsOf(definition);
  const reader = new ProtobufReader(bytes);
  while (reader.next()) {
    const wire = table.get(reader.field);
    if (wire === undefined) reader.skip();
    else if (wire.inlined) decodeInto(target, reader.bytes(), wire.name, definition, depth + 1);
    else {
      const type = fields.get(wire.name)?.type;
      if (type === undefined) reader.skip();
      else decodeField(target, wire, type, reader, depth);
    }
  }
}

function decodeField(
  target: JsonObject,
  wire: WireField,
  type: FieldType,
  reader: ProtobufReader,
  depth: number,
): void {
  const { name } = wire;
  if (type.is === "list") {
    const items = (target[name] ??= []) as Json[];
    items.push(decodeValue(type.of, reader, depth) ?? zeroOf(type.of));
  } else if (type.is === "map") {
    const map = (target[name] ??= {}) as JsonObject;
    const [key, value] = decodePair(reader.bytes(), type.of, depth);
    // An own field, whatever its name.
    Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    const value = decodeValue(type, reader, depth);
    if (value !== undefined && (wire.optional || !isZero(value))) target[name] = value;
  }
}

function decodePair(bytes: Uint8Array, type: FieldType, depth: number): [key: string, value: Json] {
  let key = "";
  let value: Json | undefined;
  const reader = new ProtobufReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) key = reader.text();
    else if (reader.field === 2) value = decodeValue(type, reader, depth);
    else reader.skip();
  }
  return [key, value ?? zeroOf(type)];
}

/** Undefined for the time that is none. */
function decodeValue(type: FieldType, reader: ProtobufReader, depth: number): Json | undefined {
  if (type.is === "definition") {
    const object: JsonObject = {};
    decodeInto(object, reader.bytes(), type.name, type.name, depth + 1);
    return object;
  }
  if (type.is !== "scalar") throw new RangeError("it has a list of lists");
  switch (type.name) {
    case "string":
      return reader.text();
    case "boolean":
      return reader.integer() !== 0;
    case "int32":
    case "int64":
      return reader.integer();
    case "double":
      return reader.double();
    case "byte":
      return Buffer.from(reader.bytes()).toString("base64");
    case "Quantity":
      return firstText(reader.bytes());
    case "IntOrString":
      return decodeIntOrString(reader.bytes());
    case "Time":
    case "MicroTime":
      return decodeTime(reader.bytes(), type.name === "MicroTime");
    case "any":
      // FieldsV1 and the like: raw JSON in field 1. Nothing that is stored has any.
      reader.skip();
      return undefined;
  }
}

function firstText(bytes: Uint8Array): string {
  const reader = new ProtobufReader(bytes);
  let text = "";
  while (reader.next()) {
    if (reader.field === 1) text = reader.text();
    else reader.skip();
  }
  return text;
}

function decodeIntOrString(bytes: Uint8Array): Json {
  let isText = false;
  let number = 0;
  let text = "";
  const reader = new ProtobufReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) isText = reader.integer() === 1;
    else if (reader.field === 2) number = reader.integer();
    else if (reader.field === 3) text = reader.text();
    else reader.skip();
  }
  return isText ? text : number;
}

/** Seconds and nanoseconds; an empty message is the zero time. */
function decodeTime(bytes: Uint8Array, micro: boolean): string | undefined {
  let seconds = 0;
  let nanos = 0;
  const reader = new ProtobufReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) seconds = reader.integer();
    else if (reader.field === 2) nanos = reader.integer();
    else reader.skip();
  }
  if (seconds === 0 && nanos === 0) return undefined;
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) throw new RangeError("it has a time that is none");
  const text = date.toISOString().slice(0, 19);
  return micro ? `${text}.${String(Math.floor(nanos / 1000)).padStart(6, "0")}Z` : `${text}Z`;
}

function isZero(value: Json): boolean {
  if (typeof value === "object") return value !== null && Object.keys(value).length === 0;
  return value === "" || value === 0 || value === false;
}

function zeroOf(type: FieldType): Json {
  if (type.is === "definition" || type.is === "map") return {};
  if (type.is === "list") return [];
  if (type.name === "int32" || type.name === "int64" || type.name === "double") return 0;
  return type.name === "boolean" ? false : "";
}
