// A program's own settings, beside the framework's and from the same sources. Declared at the top of a module, they are read
// when they are first used: before `run`, by it, and without it, in a test. It never ends a process by itself; a wrong value that
// nobody catches is one line and exit code 2.
import { writeSync } from "node:fs";
import { basename } from "node:path";
import { nearest, WherryError } from "@wherry/core";
import { frameworkSettings } from "../process/config.ts";
import { readTextFile } from "./read-file.ts";
import { Resolver } from "./resolve.ts";
import { isSecret, type Sources } from "./sources.ts";
import type { AnyValue, Setting, Settings, SettingValues } from "./types.ts";
import { checkValue } from "./value.ts";

/** Everything that was declared in this process, for `run` to check and to print. */
const declared = new Map<string, Setting>();
let sources: Sources | undefined;
let resolver: Resolver | undefined;

/** Values that a test put in place, by the object that `configure` returned. */
const overrides = new WeakMap<object, Map<string, AnyValue>>();

/**
 * Declares settings, and returns their values, typed. From flags, environment and file, in that order; `--help` lists them.
 * @param from where values come from, for tests. Default: this process's command line and environment.
 * @throws WherryError SERVICE_DEFINITION_INVALID; and, when a value is read, SERVICE_CONFIG_INVALID
 * @example const settings = configure({ stock: { type: "integer", default: 2, min: 0, help: "items at the start" } });
 */
export function configure<const S extends Settings>(
  settings: S,
  from?: Partial<Pick<Sources, "argv" | "env">>,
): SettingValues<S> {
  for (const [name, setting] of Object.entries(settings)) checkDefinition(name, setting);
  const own =
    from === undefined
      ? undefined
      : new Resolver({ ...frameworkSettings, ...settings }, { argv: [], env: {}, readFile: readTextFile, ...from });
  if (own === undefined) {
    for (const [name, setting] of Object.entries(settings)) declared.set(name, setting);
    resolver = undefined;
  }
  const values = {};
  const cache = new Map<string, AnyValue>();
  for (const [name, setting] of Object.entries(settings)) {
    const get = (): AnyValue => {
      const replaced = overrides.get(values);
      if (replaced?.has(name) === true) return replaced.get(name);
      if (!cache.has(name)) cache.set(name, valueOf(own ?? processResolver(), name));
      return cache.get(name);
    };
    // Secrets don't get into a log by logging the settings.
    Object.defineProperty(values, name, { get, enumerable: !isSecret(setting) });
  }
  return Object.freeze(values) as SettingValues<S>;
}

/**
 * Puts other values in place, for a test. @returns what takes them back.
 * @example const restore = override(settings, { stock: 0 }); … restore();
 */
export function override<V extends object>(settings: V, values: Partial<V>): () => void {
  const before = overrides.get(settings);
  const after = new Map([...(before ?? []), ...Object.entries(values as Readonly<Record<string, AnyValue>>)]);
  for (const name of after.keys())
    if (!Object.hasOwn(settings, name)) {
      const message = `override: no setting ${name}${nearest(name, Object.getOwnPropertyNames(settings))}`;
      throw new WherryError(message, { code: "SERVICE_DEFINITION_INVALID" });
    }
  overrides.set(settings, after);
  return () => {
    if (before === undefined) overrides.delete(settings);
    else overrides.set(settings, before);
  };
}

/** What all modules declared so far. */
export function declaredSettings(): Settings {
  return Object.fromEntries(declared);
}

/** From here on values come from these; what was read before stays as it was. `run` calls it with its `argv`. */
export function useSources(next: Sources): void {
  sources = next;
  resolver = undefined;
}

function processResolver(): Resolver {
  sources ??= { argv: process.argv.slice(2), env: process.env, readFile: readTextFile };
  resolver ??= new Resolver({ ...frameworkSettings, ...declaredSettings() }, sources);
  return resolver;
}

function valueOf(from: Resolver, name: string): AnyValue {
  try {
    return from.one(name).value;
  } catch (cause) {
    const error = new WherryError((cause as Error).message, { code: "SERVICE_CONFIG_INVALID", cause });
    process.once("uncaughtExceptionMonitor", (escaped) => {
      if (escaped !== error) return;
      writeSync(2, `${basename(process.argv[1] ?? "service").replace(/\.[cm]?[jt]s$/, "")}: ${error.message}\n`);
      process.exit(2);
    });
    throw error;
  }
}

function checkDefinition(name: string, setting: Setting): void {
  const problem = problemOf(name, setting);
  if (problem !== undefined)
    throw new WherryError(`setting ${name}: ${problem}`, {
      code: "SERVICE_DEFINITION_INVALID",
      details: { field: name },
    });
}

function problemOf(name: string, setting: Setting): string | undefined {
  if (!/^[a-z][A-Za-z0-9]{0,63}$/.test(name)) return "expected a name in camelCase, of at most 64 letters and digits";
  if (Object.hasOwn(frameworkSettings, name)) return "is one of the framework's own; choose another name";
  const before = declared.get(name);
  // A module that is loaded twice declares the same again.
  if (before !== undefined && printed(before) !== printed(setting)) return "is declared twice, in two ways";
  if (setting.default === undefined) return undefined;
  if (isSecret(setting)) return "a secret has no default: it would stand in the program";
  const checked = checkValue(setting, { value: setting.default, from: "default" });
  return "problem" in checked ? checked.problem : undefined;
}

function printed(setting: Setting): string {
  return JSON.stringify(setting, (_key, value: unknown) => (value instanceof RegExp ? String(value) : value));
}
