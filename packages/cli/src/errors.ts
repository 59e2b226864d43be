// How a command fails: one message that says what to do, and an exit code that scripts can rely on.

/** Documented in `wherry --help` and the package's README. */
export const exitCodes = {
  /** What was asked could not be done: not ready in time, refused by the API, no answer. */
  failed: 1,
  /** An unknown command or option, a bad value, a PATH that isn't there. Also: Node too old. */
  usage: 2,
  /** A cluster of that name already runs. */
  alreadyRunning: 3,
  /** No cluster of that name runs. */
  notRunning: 4,
  /** The daemon died. */
  daemonLost: 5,
  /** Stopped by a second Ctrl-C. */
  interrupted: 130,
} as const;

export class CliError extends Error {
  readonly exitCode: number;

  /** @param message what was expected, what came, and what to do; lower case, without "error:" */
  constructor(message: string, exitCode: number = exitCodes.failed) {
    super(message);
    this.name = "CliError";
    this.exitCode = exitCode;
  }
}

export const usageError = (message: string): CliError => new CliError(message, exitCodes.usage);

export function notRunning(name: string): CliError {
  const option = name === "default" ? "" : ` --name ${name}`;
  return new CliError(`no cluster "${name}" is running: start one with "wherry up${option}"`, exitCodes.notRunning);
}
