// `wherry kubeconfig`: the path, for `KUBECONFIG=$(wherry kubeconfig) kubectl …`.
import { existsSync } from "node:fs";
import type { Context } from "../context.ts";
import { pathsOf, whyNotRunning } from "../daemon-process.ts";
import type { CommonOptions } from "../common-options.ts";

/** @throws CliError when the cluster was never started */
export function kubeconfig(options: CommonOptions, context: Context): number {
  const paths = pathsOf(options.name, context);
  if (!existsSync(paths.kubeconfig)) throw whyNotRunning(paths);
  context.terminal.out(paths.kubeconfig);
  return 0;
}
