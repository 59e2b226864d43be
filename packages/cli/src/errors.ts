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

/** @param others names of clusters that there are, for one that was mistyped */
export function notRunning(name: string, others: readonly string[] = []): CliError {
  const known = others.length === 0 ? "" : `. There are: ${others.join(", ")} (see "wherry list")`;
  return new CliError(
    `no cluster "${name}" is running: start one with "wherry up${nameOption(name)}"${known}`,
    exitCodes.notRunning,
  );
}

/** The daemon was killed, or crashed. @param podsLive whether any pod of it still runs */
export function daemonLost(name: string, podsLive: boolean, log: string): CliError {
  const option = nameOption(name);
  const up = `"wherry up${option} --detach"`;
  const what = podsLive
    ? `Its pods live on and go on serving: ${up} adopts them, "wherry down${option}" stops them`
    : `${up} starts it again from where it was`;
  return new CliError(`the daemon of cluster "${name}" died. ${what}. Its log: ${log}`, exitCodes.daemonLost);
}

/** ` --name CLUSTER`, or nothing for the default one: for commands to try. */
export const nameOption = (name: string): string => (name === "default" ? "" : ` --name ${name}`);
