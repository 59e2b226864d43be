// A record's fields as plain data, whatever they do when they are looked at: getters that throw, proxies that are revoked, cycles, values
// that JSON has no form for. A log must never end the program that writes it. Slower than it need be: used only when the fast way threw.
import { asError } from "@wherry/core";
import { readableCharsMax } from "../limits.ts";
import type { LogFields } from "./types.ts";

/** Never throws. What cannot be read says why, in its place. */
export function readable(given: unknown): LogFields {
  let names: readonly string[];
  try {
    if (typeof given !== "object" || given === null) return given === undefined ? {} : { value: readableValue(given) };
    if (given instanceof Error) return { err: readableError(given) };
    names = Object.keys(given);
  } catch (error) {
    return { value: unreadable(error) };
  }
  const read = (name: string): unknown => {
    try {
      return readableValue((given as LogFields)[name]);
    } catch (error) {
      return unreadable(error);
    }
  };
  return Object.fromEntries(names.map((name) => [name, read(name)]));
}

/** The fields of an error that people look for, each by itself: one may be a getter that throws. */
export function readableError(error: object): LogFields {
  const part = (name: "name" | "message" | "stack" | "code"): string => {
    try {
      const value: unknown = (error as Readonly<Record<string, unknown>>)[name];
      return typeof value === "string" || typeof value === "number" ? String(value) : "";
    } catch (thrown) {
      return unreadable(thrown);
    }
  };
  const code = part("code");
  return { type: part("name"), message: part("message"), stack: part("stack"), ...(code === "" ? {} : { code }) };
}

function readableValue(value: unknown): unknown {
  if (value instanceof Error) return readableError(value);
  const text = JSON.stringify(value, withoutCycles()) as string | undefined;
  if (text === undefined) return value === undefined ? undefined : `[${typeof value}]`;
  if (text.length > readableCharsMax) return `${text.slice(0, readableCharsMax)}…`;
  return JSON.parse(text);
}

/** A replacer: what stands in itself, and what JSON refuses. */
function withoutCycles(): (this: unknown, name: string, value: unknown) => unknown {
  const above: unknown[] = [];
  return function (_name, value) {
    if (typeof value === "bigint") return String(value);
    if (typeof value !== "object" || value === null) return value;
    // `this` holds it: whatever was below that holder is done.
    while (above.length > 0 && above.at(-1) !== this) above.pop();
    if (above.includes(value)) return "[Circular]";
    above.push(value);
    return value;
  };
}

function unreadable(thrown: unknown): string {
  try {
    return `[cannot be read: ${asError(thrown).message}]`;
  } catch {
    return "[cannot be read]";
  }
}
