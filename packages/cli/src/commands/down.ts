// `wherry down`: drains and stops. What a killed daemon left running is stopped too: a daemon adopts it first.
import { existsSync } from "node:fs";
import { type ClusterPaths, podsRun, readDaemonInfo, removeState, runningDaemon } from "@wherry/cluster/state";
import type { Context } from "../context.ts";
import { pathsOf, startDaemonProcess, stopDaemonProcess } from "../daemon-process.ts";
import type { CommonOptions } from "../common-options.ts";

export interface DownOptions extends CommonOptions {
  readonly purge?: true;
}

export async function down(options: DownOptions, context: Context): Promise<number> {
  const { terminal } = context;
  const paths = pathsOf(options.name, context);
  const stopped = await stop(paths, context);
  if (!stopped) terminal.note(`no cluster "${options.name}" is running`);
  if (options.purge === true && existsSync(paths.folder)) {
    removeState(paths);
    terminal.out(`removed ${paths.folder}`);
  } else if (stopped) {
    const state = existsSync(paths.folder) ? `; its state stays in ${paths.folder}` : "";
    terminal.out(`stopped "${options.name}"${state}`);
  }
  return 0;
}

async function stop(paths: ClusterPaths, context: Context): Promise<boolean> {
  const running = runningDaemon(paths);
  if (running !== undefined) {
    context.terminal.note(`draining and stopping "${paths.name}" …`);
    await stopDaemonProcess(running, context.clock);
    return true;
  }
  // A daemon that ended in order took its daemon.json along; where it is lost or damaged, the pods tell.
  const crashed = readDaemonInfo(paths);
  if (crashed === undefined && !podsRun(paths)) return false;
  context.terminal.note(`the daemon of "${paths.name}" was killed; adopting its pods to stop them …`);
  const { info } = await startDaemonProcess(
    paths,
    { home: paths.home, name: paths.name, ephemeral: crashed?.ephemeral ?? false },
    context,
  );
  await stopDaemonProcess(info, context.clock);
  return true;
}
