// The command `wherry` as a whole: its help, its exit codes, and what it says to a mistake. Its commands are in program/. What a command
// does is loaded only when it runs, so that `wherry --help` and `wherry probe` stay quick.
import { Command, CommanderError } from "commander";
import type { Context } from "./context.ts";
import { exitCodes } from "./errors.ts";
import { addClusterCommands } from "./program/cluster-commands.ts";
import { commandKit } from "./program/kit.ts";
import { addKubernetesCommands } from "./program/kubernetes-commands.ts";
import { addServiceCommands } from "./program/service-commands.ts";
import { closeSuggestions } from "./program/suggestions.ts";

const exitCodeHelp = `
Exit codes:
  0    done
  ${exitCodes.failed}    could not be done: not ready in time, refused by the API, no answer
  ${exitCodes.usage}    unknown command or option, bad value, missing PATH; Node too old
  ${exitCodes.alreadyRunning}    a cluster of that name already runs
  ${exitCodes.notRunning}    no cluster of that name runs
  ${exitCodes.daemonLost}    the daemon died: pods live on, its log says why, "wherry up" adopts them
  ${exitCodes.interrupted}  stopped by a second Ctrl-C; a stream, by the first
  "wherry kubectl" passes kubectl's own exit code on.

State is kept in $WHERRY_HOME (default: $XDG_STATE_HOME/wherry, else ~/.local/state/wherry), one folder a cluster.`;

/** @returns the exit code. @throws CliError, WherryError for what a command refuses. */
export async function runProgram(argv: readonly string[], context: Context): Promise<number> {
  let exitCode = 0;
  const program = buildProgram(context, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version are asked for; everything else that commander refuses is a mistake in the command line.
    return error.exitCode === 0 ? 0 : exitCodes.usage;
  }
  return exitCode;
}

function buildProgram(context: Context, done: (exitCode: number) => void): Command {
  const { terminal } = context;
  const program = new Command("wherry");
  const mistake = (text: string, help: string): string =>
    `${closeSuggestions(text)
      .replace(/^error: /, `${terminal.style("red", "wherry:")} `)
      .trimEnd()}\nSee "${help}".`;
  program
    .description("Run TypeScript services, and any manifests, as real Kubernetes pods on this machine.")
    .configureOutput({
      writeOut: (text) => terminal.raw(text),
      writeErr: (text) => terminal.note(text.trimEnd()),
      outputError: (text, write) => write(mistake(text, "wherry --help")),
    })
    .exitOverride()
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .addHelpText("after", exitCodeHelp)
    .version(context.version, "-V, --version");

  const kit = commandKit(program, context, mistake, done);
  addClusterCommands(kit);
  addServiceCommands(kit);
  addKubernetesCommands(kit);
  return program;
}
