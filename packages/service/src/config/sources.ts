// Where values come from: flags, environment, file. It finds what was given and says what it can't make sense of; whether a
// value is any good is value.ts's matter. Files are read through a function that is handed in.
import { nearest, asError } from "@wherry/core";
import { configFileBytesMax, secretFileBytesMax } from "../limits.ts";
import { flagOf, variableOf } from "./names.ts";
import type { Given, Setting, Settings } from "./types.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Sources {
  readonly argv: readonly string[];
  readonly env: Environment;
  /** The file's text; throws when it can't be read, or is larger than `bytesMax`. */
  readonly readFile: (path: string, bytesMax: number) => string;
}

/** What the command line says. */
export interface Flags {
  /** By setting: each value given for it, in order. */
  readonly values: ReadonlyMap<string, readonly string[]>;
  readonly problems: readonly string[];
}

/** Takes the command line apart: `--name value`, `--name=value`, `--name` and `--no-name` of booleans. */
export function readFlags(settings: Settings, argv: readonly string[]): Flags {
  const known = new Map(Object.keys(settings).map((name) => [flagOf(name), name]));
  const values = new Map<string, string[]>();
  const problems: string[] = [];
  for (let index = 0; index < argv.length; index++) {
    const argument = argv[index] ?? "";
    const [flag = "", ...rest] = (argument === "-h" ? "--help" : argument).split("=");
    const negated = known.get(flag.replace(/^--no-/, "--"));
    const name =
      known.get(flag) ??
      (flag.startsWith("--no-") && settings[negated ?? ""]?.type === "boolean" ? negated : undefined);
    const setting = name === undefined ? undefined : settings[name];
    if (name === undefined || setting === undefined) {
      const unknown = argument.startsWith("-") ? `${flag}: unknown flag` : `${argument}: unexpected argument`;
      const meant = argument.startsWith("-") ? nearest(flag, [...known.keys()]) : "";
      // What follows is its value, and no mistake of its own.
      if (argument.startsWith("--") && rest.length === 0 && argv[index + 1]?.startsWith("-") === false) index++;
      problems.push(`${unknown}${meant === "" ? "; see --help" : meant}`);
    } else if (isSecret(setting)) {
      if (rest.length === 0 && argv[index + 1]?.startsWith("--") === false) index++;
      const variable = variablesOf(name, setting)[0] ?? "";
      problems.push(`${flag}: is secret, and a command line is not; give it in ${variable} or ${variable}_FILE`);
    } else {
      const next = argv[index + 1];
      let value = rest.length > 0 ? rest.join("=") : undefined;
      if (value === undefined && setting.type === "boolean") value = known.has(flag) ? "true" : "false";
      else if (value === undefined && next?.startsWith("--") === false) {
        value = next;
        index++;
      }
      if (value === undefined) problems.push(`${flag}: expected a value after it; see --help`);
      else values.set(name, [...(values.get(name) ?? []), value]);
    }
  }
  return { values, problems };
}

/** The environment variables of a setting, in the order in which they count. */
export function variablesOf(name: string, setting: Setting): readonly string[] {
  return setting.env ?? [variableOf(name)];
}

export function isSecret(setting: Setting): boolean {
  return setting.type === "string" && setting.secret === true;
}

/** @throws Error with the line to show, when a secret's file can't be read, or the secret is given twice. */
export function fromEnvironment(name: string, setting: Setting, sources: Sources): Given | undefined {
  for (const variable of variablesOf(name, setting)) {
    const value = sources.env[variable];
    const file = isSecret(setting) ? sources.env[`${variable}_FILE`] : undefined;
    if (file !== undefined && file !== "") {
      if (value !== undefined && value !== "")
        throw new Error(`${variable}: given, and ${variable}_FILE too; unset one`);
      return { value: readSecret(`${variable}_FILE`, file, sources), from: `${variable}_FILE` };
    }
    if (setting.type === "integer" && isServiceLink(variable, value)) continue;
    // An empty variable is how a shell or a manifest takes one back.
    if (value !== undefined && value !== "") return { value, from: variable };
  }
  return undefined;
}

/**
 * Kubernetes tells each pod of each Service `NAME` by `NAME_PORT=tcp://10.0.0.7:5432`, unless `enableServiceLinks` is false: a Service called
 * `admin` must not keep the programs beside it from starting.
 */
function isServiceLink(variable: string, value: string | undefined): boolean {
  return variable.endsWith("_PORT") && value !== undefined && /^(tcp|udp|sctp):\/\/\S+:\d+$/.test(value);
}

function readSecret(variable: string, path: string, { readFile }: Sources): string {
  try {
    // Editors and `echo` end a file with a newline that is no part of the secret.
    return readFile(path, secretFileBytesMax).replace(/\r?\n$/, "");
  } catch (error) {
    throw new Error(`${variable}: ${path} can't be read: ${reasonOf(error)}`, { cause: error });
  }
}

/** @returns the file's settings. @throws Error with the line to show. */
export function readConfigFile({ value: path, from }: Given, { readFile }: Sources): Readonly<Record<string, unknown>> {
  let text: string;
  try {
    text = readFile(String(path), configFileBytesMax);
  } catch (error) {
    throw new Error(`${from}: ${String(path)} can't be read: ${reasonOf(error)}`, { cause: error });
  }
  let content: unknown;
  try {
    content = /^\s*\{/.test(text) ? JSON.parse(text) : parseYaml(text);
  } catch (error) {
    throw new Error(`${from}: ${String(path)} is neither JSON nor YAML: ${reasonOf(error)}`, { cause: error });
  }
  if (content === null || content === undefined) return {};
  if (typeof content !== "object" || Array.isArray(content))
    throw new Error(
      `${from}: ${String(path)}: expected settings by name, got ${Array.isArray(content) ? "a list" : typeof content}`,
    );
  return content as Readonly<Record<string, unknown>>;
}

/** Loaded with the first YAML file: most processes have none. Synchronous, for a setting is read like any constant. */
function parseYaml(text: string): unknown {
  const require = process.getBuiltinModule("node:module").createRequire(import.meta.url);
  const { parse } = require("yaml") as { readonly parse: (text: string) => unknown };
  return parse(text);
}

function reasonOf(error: unknown): string {
  const [line = ""] = asError(error).message.split("\n", 1);
  return line.replace(/:$/, "");
}
