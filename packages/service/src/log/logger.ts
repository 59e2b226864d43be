// The logger that a service's author gets, on top of any plain `Logger`: message templates, both orders of arguments, and errors
// as they are wherever they stand. Never writes anything itself.
import type { Logger } from "@wherry/core";
import { readable } from "./readable.ts";
import { render } from "./template.ts";
import type { Log, LogFields } from "./types.ts";

export type Level = "trace" | "debug" | "info" | "warn" | "error" | "fatal";

/** pino's logger, or a plain one, which may have fewer levels: then the nearest stands in. */
type Base = Logger & Partial<Record<"trace" | "fatal", Logger["error"]>> & { isLevelEnabled?(level: Level): boolean };

/** What every record has already; a field of the same name would make the record's JSON have it twice. */
const reserved = new Set(["level", "time", "msg", "service", "pod"]);

/** @param base pino's, or anything that takes fields and a message. One that is templated already is returned as it is. */
export function templated(base: Logger): Log {
  return base instanceof TemplateLog ? base : new TemplateLog(base);
}

class TemplateLog implements Log {
  readonly #base: Base;
  // Properties, not methods: they are handed around on their own, as in `promise.catch(log.error)`.
  readonly trace: Log["trace"] = (first: unknown, second?: unknown) => this.#write("trace", first, second);
  readonly debug: Log["debug"] = (first: unknown, second?: unknown) => this.#write("debug", first, second);
  readonly info: Log["info"] = (first: unknown, second?: unknown) => this.#write("info", first, second);
  readonly warn: Log["warn"] = (first: unknown, second?: unknown) => this.#write("warn", first, second);
  readonly error: Log["error"] = (first: unknown, second?: unknown) => this.#write("error", first, second);
  readonly fatal: Log["fatal"] = (first: unknown, second?: unknown) => this.#write("fatal", first, second);

  constructor(base: Base) {
    this.#base = base;
  }

  child(fields: LogFields): Log {
    try {
      return new TemplateLog(this.#base.child(fieldsOf(fields)));
    } catch {
      return new TemplateLog(this.#base.child(fieldsOf(readable(fields))));
    }
  }

  #write(level: Level, first: unknown, second: unknown): void {
    // A text is made only for a record that is written.
    if (this.#base.isLevelEnabled?.(level) === false) return;
    try {
      this.#writeRecord(level, first, second);
    } catch {
      // A field's getter threw, or worse: a log ends no program for that.
      const care = (given: unknown): unknown => (typeof given === "string" ? given : readable(given));
      this.#writeRecord(level, care(first), care(second));
    }
  }

  #writeRecord(level: Level, first: unknown, second: unknown): void {
    const templateFirst = typeof first === "string";
    const given = templateFirst ? second : first;
    const fields = fieldsOf(given);
    const template = templateFirst ? first : typeof second === "string" ? second : messageOf(given);
    // Holes are filled with what was given, before names and errors are made fit for the record.
    const values = typeof given === "object" && given !== null ? { ...fields, ...given } : fields;
    const { text, filled } = render(template, values);
    const record = filled ? { template, ...fields } : fields;
    if (level === "trace") (this.#base.trace ?? this.#base.debug).call(this.#base, record, text);
    else if (level === "fatal") (this.#base.fatal ?? this.#base.error).call(this.#base, record, text);
    else this.#base[level](record, text);
  }
}

function messageOf(given: unknown): string {
  return given instanceof Error ? given.message : "";
}

/** An error is the field `err`; errors among the fields become what pino makes of that one; reserved names get a `_`. */
function fieldsOf(given: unknown): LogFields {
  if (given instanceof Error) return { err: given };
  if (typeof given !== "object" || given === null) return given === undefined ? {} : { value: given };
  let changed: Record<string, unknown> | undefined;
  for (const [name, value] of Object.entries(given)) {
    const isError = value instanceof Error && name !== "err";
    if (!isError && !reserved.has(name)) continue;
    changed ??= { ...given };
    if (reserved.has(name)) Reflect.deleteProperty(changed, name);
    changed[reserved.has(name) ? `${name}_` : name] = isError
      ? { type: value.name, message: value.message, stack: value.stack }
      : value;
  }
  return changed ?? (given as LogFields);
}
