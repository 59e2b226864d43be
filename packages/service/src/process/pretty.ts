// Log records for a person at a terminal: one line each, an error's stack below it. It takes the lines that pino writes and
// never loses one: what is no record is shown as it came. Control characters are shown, not obeyed: a peer may have sent them.

/** Fields that every record has, or that the line shows in another way. */
const shownElsewhere = new Set(["level", "time", "service", "pod", "msg", "err"]);

const colours: Readonly<Record<string, string>> = {
  trace: "90",
  debug: "90",
  info: "32",
  warn: "33",
  error: "31",
  fatal: "1;97;41",
};

/** @param line one JSON record of pino's. @param colour whether the terminal wants any. @returns whole lines. */
export function prettyLine(line: string, colour: boolean): string {
  let record: Readonly<Record<string, unknown>>;
  try {
    record = JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    return line;
  }
  const paint = (code: string, text: string): string => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  const { level, time, msg, err } = record;
  const name = typeof level === "string" ? level : "info";
  const message = visible(typeof msg === "string" ? msg : "").replaceAll("\n", " ");
  const head = [
    paint("90", typeof time === "string" ? time.slice(11, 23) : ""),
    paint(colours[name] ?? "0", name.toUpperCase().padEnd(5)),
    name === "fatal" || name === "error" ? paint("1", message) : message,
    ...fieldsOf(record, message).map((field) => paint("90", field)),
  ];
  return `${head.join(" ")}\n${stackOf(err, message)
    .map((frame) => `${paint("90", `    ${frame}`)}\n`)
    .join("")}`;
}

/** `name=value`, without what the message says already. */
function fieldsOf(record: Readonly<Record<string, unknown>>, message: string): string[] {
  return Object.entries(record)
    .filter(([name]) => !shownElsewhere.has(name))
    .map(([name, value]) => [name, visible(typeof value === "string" ? value : JSON.stringify(value))] as const)
    .filter(([, value]) => !message.includes(value) || !/[a-z]/i.test(value))
    .map(([name, value]) => `${name}=${/[\s"]/.test(value) && !/^[[{]/.test(value) ? JSON.stringify(value) : value}`);
}

/** The stack, causes included, as pino writes it: paths instead of URLs, none of Node's own frames, and no message that was said. */
function stackOf(err: unknown, said: string): string[] {
  const stack = (err as { readonly stack?: unknown } | undefined)?.stack;
  if (typeof stack !== "string") return [];
  return visible(stack)
    .replace(/^(\w+): (.+)/, (head, type: string, message: string) => (said.includes(message) ? type : head))
    .split("\n")
    .map((line) => line.trim().replaceAll("file://", ""))
    .filter((line) => line !== "" && !/^at .*\(?node:/.test(line))
    .map((line) => (line.startsWith("at ") ? `  ${line}` : line));
}

/** C0 and C1 controls but newline and tab, and what reorders text or ends a line only for some, as escapes. */
function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (control) => {
    const code = control.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code}` : `\\x${code.padStart(2, "0")}`;
  });
}
