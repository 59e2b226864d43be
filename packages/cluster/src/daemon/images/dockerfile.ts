// Reads what a Dockerfile says about running, not about building: the last stage's WORKDIR, ENV, ENTRYPOINT, CMD, EXPOSE and
// USER (https://docs.docker.com/reference/dockerfile/). Never runs anything; a COPY means nothing here, because the
// program runs from the folder itself.

export interface Dockerfile {
  /** As the last FROM names it; undefined without one. */
  readonly from: string | undefined;
  /** Absolute within the image, as written; undefined when never set. */
  readonly workdir: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** `8080/tcp` */
  readonly expose: readonly string[];
  readonly user: string | undefined;
}

export function parseDockerfile(text: string): Dockerfile {
  let image = emptyImage(undefined);
  const args: Record<string, string> = {};
  for (const [instruction, rest] of instructions(text)) {
    const expand = (value: string): string => expandVariables(value, { ...args, ...image.env });
    switch (instruction) {
      case "FROM":
        image = emptyImage(expand(rest.replace(/^--platform=\S+\s+/, "")).split(/\s+/)[0]);
        break;
      case "ARG": {
        const [name, value] = split(rest, "=");
        if (value !== undefined) args[name] = expand(unquote(value));
        break;
      }
      case "WORKDIR":
        image.workdir = joinWorkdir(image.workdir, expand(unquote(rest)));
        break;
      case "ENV":
        for (const [name, value] of assignments(rest)) image.env[name] = expand(value);
        break;
      case "ENTRYPOINT":
        image.entrypoint = command(rest);
        // Setting ENTRYPOINT resets a CMD that came before it from the base; one in the same file stays.
        break;
      case "CMD":
        image.cmd = command(rest);
        break;
      case "EXPOSE":
        image.expose.push(...words(expand(rest)).map((port) => (port.includes("/") ? port : `${port}/tcp`)));
        break;
      case "USER":
        image.user = expand(rest);
        break;
    }
  }
  return image;
}

interface MutableImage {
  from: string | undefined;
  workdir: string | undefined;
  env: Record<string, string>;
  entrypoint: string[];
  cmd: string[];
  expose: string[];
  user: string | undefined;
}

const emptyImage = (from: string | undefined): MutableImage => ({
  from,
  workdir: undefined,
  env: {},
  entrypoint: [],
  cmd: [],
  expose: [],
  user: undefined,
});

/** Comments and continuation lines resolved: `["ENV", "A=1 B=2"]`. */
function instructions(text: string): [string, string][] {
  const found: [string, string][] = [];
  let open = "";
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*#/.test(line) || (open === "" && line.trim() === "")) continue;
    if (/\\\s*$/.test(line)) {
      open += `${line.replace(/\\\s*$/, "")} `;
      continue;
    }
    const match = /^\s*([A-Za-z]+)\s+([\s\S]*)$/.exec(open + line);
    open = "";
    if (match?.[1] !== undefined && match[2] !== undefined) found.push([match[1].toUpperCase(), match[2].trim()]);
  }
  return found;
}

/** Exec form is a JSON array; shell form is run by /bin/sh -c. */
function command(text: string): string[] {
  if (text.startsWith("[")) {
    try {
      const parsed: unknown = JSON.parse(text);
      if (Array.isArray(parsed) && parsed.every((part) => typeof part === "string")) return parsed;
    } catch {
      // As Docker does: what is not JSON is a shell line.
    }
  }
  return ["/bin/sh", "-c", text];
}

/** `ENV A=1 B="two words"`, or the old `ENV A the rest`. */
function assignments(text: string): [string, string][] {
  if (!/^[^\s=]+=/.test(text)) {
    const [name, value = ""] = split(text, " ");
    return [[name, value.trim()]];
  }
  return words(text).map((word) => {
    const [name, value = ""] = split(word, "=");
    return [name, unquote(value)];
  });
}

/** Words, with quotes and backslashes holding blanks together (and still in place). */
const words = (text: string): string[] => text.match(/(?:"(?:\\.|[^"])*"|'[^']*'|\\.|\S)+/g) ?? [];

function unquote(text: string): string {
  return text.replace(
    /"((?:\\.|[^"])*)"|'([^']*)'|\\(.)/g,
    (_all: string, double?: string, single?: string, escaped?: string): string =>
      double !== undefined ? double.replace(/\\(["\\$])/g, "$1") : (single ?? escaped ?? ""),
  );
}

/** `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME:+other}`. */
function expandVariables(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(
    /\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})/g,
    (_all: string, plain?: string, name?: string, kind?: string, word: string = ""): string => {
      const value = values[plain ?? name ?? ""] ?? "";
      if (kind === "-") return value === "" ? word : value;
      if (kind === "+") return value === "" ? "" : word;
      return value;
    },
  );
}

function joinWorkdir(current: string | undefined, next: string): string {
  return next.startsWith("/") || current === undefined ? next : `${current.replace(/\/$/, "")}/${next}`;
}

function split(text: string, at: string): [string, string | undefined] {
  const index = text.indexOf(at);
  return index < 0 ? [text, undefined] : [text.slice(0, index), text.slice(index + at.length)];
}
