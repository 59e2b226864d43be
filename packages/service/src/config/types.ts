// What a setting is, and what its value's type follows from. Data and types only.

interface Common {
  /** One line for `--help`. */
  readonly help?: string;
  /** Without a value it is undefined, instead of an error. */
  readonly optional?: boolean;
  /** Environment variables that are looked at, in this order. Default: the name in capitals, `apiKey` as `API_KEY`. */
  readonly env?: readonly string[];
}

export interface StringSetting extends Common {
  readonly type: "string";
  readonly default?: string;
  /** The only values, in any case. */
  readonly choices?: readonly string[];
  readonly pattern?: RegExp;
  /** What `pattern` asks for, in words: `an IP address or a host name`. */
  readonly expected?: string;
  /**
   * Never a flag, which every user of the machine can read; from `NAME`, the file that `NAME_FILE` names (how Kubernetes mounts
   * secrets), or the configuration file. Shown nowhere.
   */
  readonly secret?: boolean;
}

export interface NumberSetting extends Common {
  /** `integer` takes whole numbers alone. */
  readonly type: "integer" | "number";
  readonly default?: number;
  readonly min?: number;
  readonly max?: number;
}

/** False without a value. As a flag `--name`, or `--no-name`. */
export interface BooleanSetting extends Common {
  readonly type: "boolean";
  readonly default?: boolean;
}

/** Texts: as a flag repeated, in the environment apart by commas or spaces. Empty without a value. */
export interface ListSetting extends Common {
  readonly type: "list";
  readonly default?: readonly string[];
  readonly pattern?: RegExp;
  readonly expected?: string;
}

export type Setting = StringSetting | NumberSetting | BooleanSetting | ListSetting;

/** Settings by name, in camelCase: `apiKey` is `--api-key`, `API_KEY`, and `apiKey` in the file. */
export type Settings = Readonly<Record<string, Setting>>;

type Plain<S extends Setting> = S extends { readonly type: "boolean" }
  ? boolean
  : S extends { readonly type: "list" }
    ? readonly string[]
    : S extends { readonly type: "integer" | "number" }
      ? number
      : S extends { readonly choices: readonly (infer Choice)[] }
        ? Choice
        : string;

/** The type of a setting's value. */
export type SettingValue<S extends Setting> = S extends { readonly optional: true } ? Plain<S> | undefined : Plain<S>;

/** The values of settings, by name. */
export type SettingValues<S extends Settings> = { readonly [Name in keyof S]: SettingValue<S[Name]> };

export type AnyValue = string | number | boolean | readonly string[] | undefined;

/** A value as it was given, and by what: `--stock`, `STOCK`, `shop.yaml: stock`, `default`. */
export interface Given {
  readonly value: unknown;
  readonly from: string;
}
