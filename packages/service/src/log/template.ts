// Message templates (https://messagetemplates.org): `{bytes} bytes from {peer}` with its fields gives a text for people, and the
// template itself is what groups its records. Pure.
import { templateCacheMax, templateValueCharsMax } from "../limits.ts";

/** Texts and holes in turn: an even position is text, an odd one the name of a hole. */
type Parts = readonly string[];

const cache = new Map<string, Parts>();

/** A hole, or an escaped brace. A `@` or `$` before the name, and a format after it, are other languages' and mean nothing here. */
const token = /\{\{|\}\}|\{[@$]?([A-Za-z_]\w*)(?:,[^{}:]*)?(?::[^{}]*)?\}/g;

function parse(template: string): Parts {
  const parts: string[] = [""];
  let end = 0;
  const text = (added: string): void => {
    parts.push((parts.pop() ?? "") + added);
  };
  for (const match of template.matchAll(token)) {
    text(template.slice(end, match.index));
    end = match.index + match[0].length;
    if (match[1] === undefined) text(match[0].charAt(0));
    else parts.push(match[1], "");
  }
  text(template.slice(end));
  return parts;
}

/**
 * The text, and whether it has holes that were filled. A hole without a field stays as it is.
 * @example render("{n} left", { n: 2 }) // { text: "2 left", filled: true }
 */
export function render(template: string, fields: Readonly<Record<string, unknown>>): { text: string; filled: boolean } {
  if (!template.includes("{") && !template.includes("}")) return { text: template, filled: false };
  let parts = cache.get(template);
  if (parts === undefined) {
    parts = parse(template);
    // Texts that were put together by the caller are each their own; they must not fill the memory.
    if (cache.size >= templateCacheMax) cache.clear();
    cache.set(template, parts);
  }
  let text = parts[0] ?? "";
  let filled = false;
  for (let index = 1; index < parts.length; index += 2) {
    const name = parts[index] ?? "";
    const known = Object.hasOwn(fields, name);
    filled ||= known;
    text += (known ? shown(fields[name]) : `{${name}}`) + (parts[index + 1] ?? "");
  }
  return { text, filled };
}

function shown(value: unknown): string {
  const text = plain(value);
  return text.length > templateValueCharsMax ? `${text.slice(0, templateValueCharsMax)}…` : text;
}

function plain(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Error) return value.message;
  if (typeof value !== "object" || value === null) return String(value);
  try {
    return JSON.stringify(value);
  } catch {
    // A cycle: the record's field says more.
    return Object.prototype.toString.call(value);
  }
}
