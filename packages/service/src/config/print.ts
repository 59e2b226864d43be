// Settings for people: `--help`, and `--print-config`. Pure, and never a secret in what it says.
import { shownValue } from "./mask.ts";
import { flagOf } from "./names.ts";
import type { Resolved } from "./resolve.ts";
import { isSecret, variablesOf } from "./sources.ts";
import type { Setting, Settings } from "./types.ts";
import { expectation } from "./value.ts";

/** The lines of `--help` about these settings: the flag, what it means, and what else sets it. */
export function helpLines(settings: Settings): string[] {
  const rows = Object.entries(settings).map(
    ([name, setting]) => [usageOf(name, setting), meaningOf(name, setting)] as const,
  );
  const width = Math.min(30, Math.max(...rows.map(([usage]) => usage.length)));
  return rows.map(([usage, meaning]) => `  ${usage.padEnd(width)}  ${meaning}`);
}

function usageOf(name: string, setting: Setting): string {
  if (isSecret(setting)) return variablesOf(name, setting)[0] ?? "";
  if (setting.type === "boolean") return flagOf(name);
  return `${flagOf(name)} ${setting.type === "integer" || setting.type === "number" ? "NUMBER" : "VALUE"}`;
}

function meaningOf(name: string, setting: Setting): string {
  const variables = variablesOf(name, setting);
  const secret = isSecret(setting);
  const facts = secret ? [`or a file: ${variables[0] ?? ""}_FILE`, "secret"] : [variables.join(", ")];
  const isEmpty = Array.isArray(setting.default) && setting.default.length === 0;
  if (setting.default !== undefined && !isEmpty) facts.push(`default ${String(setting.default)}`);
  else if (setting.type !== "boolean" && setting.type !== "list" && setting.optional !== true) facts.push("required");
  if (setting.type === "list") facts.push("may be repeated");
  const plain =
    setting.type === "string" ? setting.choices !== undefined : setting.type === "integer" || setting.type === "number";
  if (plain) facts.push(expectation(setting));
  const told = facts.filter((fact) => fact !== "").join("; ");
  return `${setting.help ?? ""}${told === "" ? "" : ` (${told})`}`.trim();
}

/** These say what to do, and are no part of a configuration. */
const actions = new Set(["config", "printConfig", "describe", "help"]);

/** Every value and where it is from, as a YAML file that `--config` takes again; secrets are masked, as are passwords in URLs. */
export function printedConfig(settings: Settings, { values }: Resolved): string {
  const lines = [...values]
    .filter(([name]) => !actions.has(name))
    .map(([name, { value, from }]) => {
      const setting = settings[name];
      const secret = setting !== undefined && isSecret(setting) && value !== undefined;
      const shown = secret ? '"***"' : value === undefined ? "null" : shownValue(value);
      return `${name}: ${shown} # ${from}\n`;
    });
  return lines.join("");
}
