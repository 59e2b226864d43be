// `wherry list`: every cluster that has state on this machine, running or not.
import { clusterNames, clusterPaths, runningDaemon, wherryHome } from "@wherry/cluster/state";
import type { Context } from "../context.ts";
import { type OutputFormat, printData } from "../output.ts";
import { isDaemonLost } from "../daemon-process.ts";
import { nameOption } from "../errors.ts";
import type { CommonOptions } from "../common-options.ts";
import { table } from "../terminal.ts";

export interface ListOptions extends CommonOptions {
  readonly output?: OutputFormat;
}

export async function list(options: ListOptions, context: Context): Promise<number> {
  const home = wherryHome(context.env);
  const clusters = clusterNames(home).map((name) => {
    const paths = clusterPaths(home, name);
    const info = runningDaemon(paths);
    return {
      name,
      running: info !== undefined,
      /** Its daemon was killed: pods may live on. */
      lost: isDaemonLost(paths),
      pid: info?.pid ?? null,
      server: info?.server ?? null,
      folder: paths.folder,
    };
  });
  const { terminal } = context;
  if (options.output !== undefined) {
    await printData(
      clusters,
      clusters.map(({ name }) => name),
      options.output,
      terminal,
    );
    return 0;
  }
  if (clusters.length === 0) terminal.note(`no clusters in ${home}: "wherry up" starts one`);
  for (const line of table(
    clusters.map(({ name, running, lost, pid, server, folder }) => [
      name,
      running
        ? `running (pid ${pid ?? "?"})`
        : lost
          ? `daemon died: "wherry up${nameOption(name)} -d" adopts its pods`
          : "stopped",
      server ?? folder,
    ]),
  ))
    terminal.out(line);
  return 0;
}
