// Shows a service's JSON log record (pino's form) to a person: time, level, message, what else there is, and an error's stack
// below, as lines. Anything else stays as it is. Every piece of text from outside is made harmless before it is coloured, so
// that a record can't move the cursor with escapes that are hidden in JSON's own, and Wherry's colours stay.
import type { Terminal } from "./terminal.ts";

interface LogRecord {
  readonly level: string | number;
  readonly msg: string;
  readonly time: string | number;
  readonly err?: unknown;
}

const levels: Readonly<Record<number, string>> = {
  10: "TRACE",
  20: "DEBUG",
  30: "INFO",
  40: "WARN",
  50: "ERROR",
  60: "FATAL",
};
/** Said by the line itself, by its prefix, or below it. */
const quiet = new Set(["level", "time", "msg", "pid", "hostname", "name", "service", "pod", "err"]);

/** @returns one line, and one more for each line of an error's stack */
export function readable(line: string, terminal: Pick<Terminal, "style" | "clean">): string[] {
  const record = logRecord(line);
  if (record === undefined) return [terminal.clean(line)];
  const { level, msg } = record;
  const name = levelName(level);
  const label = name === "ERROR" || name === "FATAL" ? "red" : name === "WARN" ? "yellow" : "dim";
  const head = [
    timeOf(record),
    terminal.style(label, terminal.clean(name.padEnd(5))),
    oneLine(terminal.clean(msg)),
    styledUnlessEmpty(oneLine(terminal.clean(fieldsOf(record))), terminal),
  ];
  const below = stackLines(record).map((text) => terminal.style("dim", terminal.clean(text)));
  return [head.filter((part) => part !== "").join(" "), ...below];
}

/** The record that a line is; undefined for any other text. */
export function logRecord(line: string): LogRecord | undefined {
  if (!line.startsWith('{"')) return undefined;
  try {
    const { level, msg, time, ...more } = JSON.parse(line) as Partial<LogRecord>;
    const known = typeof msg === "string" && (typeof level === "string" || typeof level === "number");
    return known ? { ...more, level, msg, time: time ?? NaN } : undefined;
  } catch {
    return undefined;
  }
}

export const levelName = (level: string | number): string =>
  typeof level === "number" ? (levels[level] ?? String(level)) : level.toUpperCase();

const oneLine = (text: string): string => text.replaceAll("\n", " ");
const styledUnlessEmpty = (text: string, terminal: Pick<Terminal, "style">): string =>
  text === "" ? "" : terminal.style("dim", text);

function timeOf({ time }: LogRecord): string {
  const at = new Date(time);
  return Number.isNaN(at.getTime()) ? "" : at.toISOString().slice(11, 23);
}

/** `key=value`, without what the message says already. */
function fieldsOf(record: LogRecord): string {
  return Object.entries(record)
    .filter(([key]) => !quiet.has(key))
    .map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)] as const)
    .filter(([, text]) => text.length < 4 || !record.msg.includes(text))
    .map(([key, text]) => `${key}=${/\s/.test(text) ? JSON.stringify(text) : text}`)
    .join(" ");
}

/** The error's stack, one frame a line; its head only when the message doesn't say it. */
function stackLines({ err, msg }: LogRecord): string[] {
  if (typeof err !== "object" || err === null) return [];
  const { type, message, stack } = err as { type?: unknown; message?: unknown; stack?: unknown };
  if (typeof stack !== "string") return typeof message === "string" && !msg.includes(message) ? [`    ${message}`] : [];
  const lines = stack.split("\n");
  const first = lines.findIndex((line) => /^\s+at /.test(line));
  const said = typeof message === "string" && msg.includes(message) && (type === "Error" || type === undefined);
  const shown = said && first > 0 ? lines.slice(first) : lines;
  return shown.map((line) => (line.startsWith(" ") ? line : `    ${line}`));
}
