// Settings from their sources, in this order: flags, environment, file, default. Every mistake is one line of its own, and
// all of them are found in one go.
import { nearest } from "@wherry/core";
import { flagOf } from "./names.ts";
import { type Flags, fromEnvironment, readConfigFile, readFlags, type Sources, variablesOf } from "./sources.ts";
import type { AnyValue, Given, Setting, Settings } from "./types.ts";
import { checkValue } from "./value.ts";

/** The setting that names the file. Every schema here has it. */
const fileSetting = "config";

export interface Resolution {
  /** What the program gets. */
  readonly value: AnyValue;
  /** `--stock`, `STOCK`, `shop.yaml: stock`, `default`. */
  readonly from: string;
}

export interface Resolved {
  readonly values: ReadonlyMap<string, Resolution>;
  /** Lines to show; empty when all is well. */
  readonly problems: readonly string[];
}

/** Reads each source once, and settings from them one by one or all together. */
export class Resolver {
  readonly #settings: Settings;
  readonly #sources: Sources;
  #flags: Flags | undefined;
  #file: { readonly path: string; readonly content: Readonly<Record<string, unknown>> } | undefined;

  constructor(settings: Settings, sources: Sources) {
    this.#settings = settings;
    this.#sources = sources;
  }

  /** All settings, and everything that is wrong, unknown names included. */
  all(): Resolved {
    const values = new Map<string, Resolution>();
    const problems = [...this.#readFlags().problems];
    for (const name of Object.keys(this.#settings)) {
      try {
        values.set(name, this.one(name));
      } catch (error) {
        // Each setting would say again that the file can't be read.
        if (!problems.includes((error as Error).message)) problems.push((error as Error).message);
      }
    }
    try {
      const known = Object.keys(this.#settings).filter((name) => name !== fileSetting);
      for (const name of Object.keys(this.#readFile().content))
        if (!known.includes(name))
          problems.push(`${this.#readFile().path}: unknown setting ${name}${nearest(name, known)}`);
    } catch {
      // Told above.
    }
    return { values, problems };
  }

  /** @throws Error with the one line to show. */
  one(name: string): Resolution {
    const setting = this.#settings[name];
    if (setting === undefined) throw new Error(`${name}: no such setting`);
    const given = this.#given(name, setting);
    if (given === undefined) return this.#absent(name, setting);
    const checked = checkValue(setting, given);
    if ("problem" in checked) throw new Error(checked.problem);
    return { value: checked.value, from: given.from };
  }

  #given(name: string, setting: Setting): Given | undefined {
    const flags = this.#readFlags().values.get(name);
    // Of a flag that is given twice the last counts; a list's are all taken.
    if (flags !== undefined) {
      const value =
        setting.type === "list" ? flags.flatMap((item) => item.split(/[\s,]+/).filter(Boolean)) : flags.at(-1);
      return { value, from: flagOf(name) };
    }
    const variable = fromEnvironment(name, setting, this.#sources);
    if (variable !== undefined || name === fileSetting) return variable;
    const { path, content } = this.#readFile();
    const value = Object.hasOwn(content, name) ? content[name] : undefined;
    return value === undefined || value === null ? undefined : { value, from: `${path}: ${name}` };
  }

  #absent(name: string, setting: Setting): Resolution {
    if (setting.default !== undefined) return { value: setting.default, from: "default" };
    if (setting.type === "boolean") return { value: false, from: "default" };
    if (setting.type === "list") return { value: [], from: "default" };
    if (setting.optional === true) return { value: undefined, from: "default" };
    const secret = setting.type === "string" && setting.secret === true;
    const variable = variablesOf(name, setting)[0] ?? "";
    const ways = secret ? `${variable} or ${variable}_FILE` : `${flagOf(name)} or ${variable}`;
    throw new Error(`${name}: expected a value, got none; give it in ${ways}, or in the file of --config`);
  }

  #readFlags(): Flags {
    this.#flags ??= readFlags(this.#settings, this.#sources.argv);
    return this.#flags;
  }

  #readFile(): { readonly path: string; readonly content: Readonly<Record<string, unknown>> } {
    const setting = this.#settings[fileSetting];
    const given = this.#file === undefined && setting !== undefined ? this.#given(fileSetting, setting) : undefined;
    this.#file ??=
      given === undefined
        ? { path: "", content: {} }
        : { path: String(given.value), content: readConfigFile(given, this.#sources) };
    return this.#file;
  }
}
