// The process: runs the program once, turns what went wrong into one message and an exit code. Never prints a stack for a
// mistake of the user's; for a bug of ours it prints where it happened.
import { asError, WherryError } from "@wherry/core";
import { processContext } from "./context.ts";
import { CliError, exitCodes } from "./errors.ts";
import { runProgram } from "./program.ts";

const context = processContext();
// `wherry logs | head` closes our stdout: that is the end, not an error. What runs in the foreground ends in order.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  if (process.listenerCount("SIGINT") > 0) process.emit("SIGINT");
  else process.exit(0);
});

/** What the user gave was wrong, found out by the package that takes it. */
const badValues: ReadonlySet<string> = new Set(["STATE_NAME_INVALID", "BROKER_URL_INVALID", "ZMTP_ENDPOINT_INVALID"]);

try {
  process.exitCode = await runProgram(process.argv.slice(2), context);
} catch (error) {
  process.exitCode = report(error);
}
// A keep-alive connection or an idle watch must not hold the command open; what was printed is flushed first.
process.stdout.write("", () => process.stderr.write("", () => process.exit()));

function report(thrown: unknown): number {
  const error = asError(thrown);
  const label = context.terminal.style("red", "wherry:");
  if (error instanceof CliError || WherryError.is(error)) {
    context.terminal.note(`${label} ${context.terminal.clean(error.message)}`);
    if (error instanceof CliError) return error.exitCode;
    if (badValues.has(error.code)) return exitCodes.usage;
    return error.code === "DAEMON_RUNNING" ? exitCodes.alreadyRunning : exitCodes.failed;
  }
  context.terminal.note(`${label} this is a bug in wherry, please report it:\n${error.stack ?? error.message}`);
  return exitCodes.failed;
}
