// One setting's value: from the text of a flag or variable, or the JSON value of a file, to what the program gets. Pure.
import { shownValue } from "./mask.ts";
import type { AnyValue, Given, NumberSetting, Setting } from "./types.ts";

/** The value, or what is wrong with it in one line that never shows a secret, nor the password of a URL. */
export type Checked = { readonly value: AnyValue } | { readonly problem: string };

/** @param given from a flag or the environment always a string (a list's: strings). */
export function checkValue(setting: Setting, { value, from }: Given): Checked {
  const accepted = accept(setting, value);
  if (accepted !== undefined) return { value: accepted };
  const secret = setting.type === "string" && setting.secret === true;
  const got = secret ? "something else" : shown(value);
  return { problem: `${from}: expected ${expectation(setting)}, got ${got}` };
}

function shown(value: unknown): string {
  const text = written(value);
  return text.length > 200 ? `${text.slice(0, 200)}… (${text.length} characters)` : text;
}

/** YAML has infinities and lists that hold themselves, and JSON lists that are deeper than the stack. */
function written(value: unknown): string {
  try {
    return typeof value === "number" || typeof value === "bigint" ? String(value) : shownValue(value);
  } catch {
    return Array.isArray(value) ? "a list" : `an ${typeof value}`;
  }
}

function accept(setting: Setting, value: unknown): AnyValue {
  switch (setting.type) {
    case "integer":
    case "number":
      return acceptNumber(setting, value);
    case "boolean":
      return acceptBoolean(value);
    case "list":
      return acceptList(value, setting.pattern);
    case "string":
      if (typeof value !== "string") return undefined;
      if (setting.choices !== undefined)
        return setting.choices.find((choice) => choice.toLowerCase() === value.toLowerCase());
      return setting.pattern === undefined || setting.pattern.test(value) ? value : undefined;
    default:
      return undefined;
  }
}

function acceptNumber({ type, min, max }: NumberSetting, value: unknown): number | undefined {
  let number = value;
  if (typeof value === "string") number = /^[-+]?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(value) ? Number(value) : undefined;
  // `1e3` is a number to a programmer, and a typing mistake to who sets a port.
  if (type === "integer" && typeof value === "string" && !/^[-+]?\d+$/.test(value)) return undefined;
  if (typeof number !== "number" || !Number.isFinite(number)) return undefined;
  if (type === "integer" && !Number.isSafeInteger(number)) return undefined;
  return number < (min ?? number) || number > (max ?? number) ? undefined : number;
}

function acceptBoolean(value: unknown): boolean | undefined {
  if (typeof value === "boolean") return value;
  if (typeof value !== "string") return undefined;
  const text = value.toLowerCase();
  if (["true", "1", "yes", "on"].includes(text)) return true;
  return ["false", "0", "no", "off"].includes(text) ? false : undefined;
}

function acceptList(value: unknown, pattern: RegExp | undefined): readonly string[] | undefined {
  const items = typeof value === "string" ? value.split(/[\s,]+/).filter((item) => item !== "") : value;
  if (!Array.isArray(items)) return undefined;
  const texts = items.filter(
    (item): item is string => typeof item === "string" && (pattern === undefined || pattern.test(item)),
  );
  return texts.length === items.length ? texts : undefined;
}

/** What a setting takes, in words. */
export function expectation(setting: Setting): string {
  switch (setting.type) {
    case "integer":
    case "number":
      return `${setting.type === "integer" ? "a whole number" : "a number"}${rangeOf(setting)}`;
    case "boolean":
      return "true or false";
    case "list":
      return setting.expected ?? "texts, apart by commas";
    case "string":
      if (setting.choices !== undefined) return `one of ${setting.choices.join(", ")}`;
      return setting.expected ?? (setting.pattern === undefined ? "a text" : `a text like ${setting.pattern.source}`);
    default:
      return "another value";
  }
}

function rangeOf({ min, max }: NumberSetting): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  if (min !== undefined) return ` of at least ${min}`;
  return max === undefined ? "" : ` of at most ${max}`;
}
