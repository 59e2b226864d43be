// What all commands of the command line share: how one is declared, with its examples, its mistakes and its usual options.
import { type Command, Option } from "commander";
import type { Context } from "../context.ts";
import { curveFlags } from "../curve.ts";

/** How times are written. */
export const times = "500ms, 2s or 1m; a bare number is seconds";

/** What the commands are made with. */
export interface CommandKit {
  /** One that no cluster is asked of. */
  readonly plainCommand: (usage: string, summary: string, examples: readonly string[]) => Command;
  /** One of a cluster, which `--name` says. */
  readonly command: (usage: string, summary: string, examples: readonly string[]) => Command;
  /** Adds the options of encrypted services. */
  readonly encrypted: (of: Command) => Command;
  readonly output: (...formats: readonly string[]) => Option;
  readonly context: Context;
  /** Told the exit code. */
  readonly done: (exitCode: number) => void;
}

/** @param mistake what is said to one, and where its help is */
export function commandKit(
  program: Command,
  context: Context,
  mistake: (text: string, help: string) => string,
  done: CommandKit["done"],
): CommandKit {
  const plainCommand = (usage: string, summary: string, examples: readonly string[]): Command =>
    program
      .command(usage)
      .summary(summary)
      .description(summary)
      .configureOutput({
        outputError: (text, write) => write(mistake(text, `wherry ${usage.split(" ")[0] ?? ""} --help`)),
      })
      .addHelpText("after", `\nExamples:\n${examples.map((line) => `  ${line}`).join("\n")}`);
  const command = (usage: string, summary: string, examples: readonly string[]): Command =>
    plainCommand(usage, summary, examples).addOption(
      new Option("--name <cluster>", "the cluster").default("default").env("WHERRY_NAME"),
    );
  const output = (...formats: readonly string[]): Option =>
    new Option("-o, --output <format>", "print data instead of a table").choices(formats);
  const encrypted = (of: Command): Command =>
    Object.values(curveFlags).reduce(
      (known, { flag, env, help }) => known.addOption(new Option(flag, help).env(env)),
      of,
    );
  return { plainCommand, command, encrypted, output, context, done };
}
