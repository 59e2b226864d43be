// `wherry down`: drains and stops. What a killed daemon left running is stopped too: a daemon adopts it first.
import { existsSync } from "node:fs";
import {
  type ClusterPaths,
  type DaemonInfo,
  podsRun,
  readDaemonInfo,
  removeState,
  runningDaemon,
} from "@wherry/cluster/state";
import type { Context } from "../context.ts";
import { isStarting, pathsOf, startDaemonProcess, stopDaemonProcess } from "../daemon-process.ts";
import { tellEnding } from "../ending-report.ts";
import { CliError } from "../errors.ts";
import { cliLimits } from "../limits.ts";
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

/** Whether there was anything to stop. A daemon may be killed while it drains, and its pods live on: then it starts over. */
async function stop(paths: ClusterPaths, context: Context): Promise<boolean> {
  for (let round = 0; round < cliLimits.stopRoundsMax; round++) {
    // A daemon that ended in order took its daemon.json along; where it is lost or damaged, the pods tell.
    await untilStarted(paths, context);
    const info = readDaemonInfo(paths);
    if (info === undefined && !podsRun(paths)) return round > 0;
    await stopOnce(paths, info, context);
  }
  if (readDaemonInfo(paths) === undefined && !podsRun(paths)) return true;
  throw new CliError(
    `"${paths.name}" did not stop: its daemon ended ${cliLimits.stopRoundsMax} times before its pods had. Its log: ${paths.log}`,
  );
}

/** A daemon that is only starting says who it is in a moment, or gives up. */
async function untilStarted(paths: ClusterPaths, { clock }: Context): Promise<void> {
  const deadlineMs = clock.monotonic() + cliLimits.daemonStartTimeoutMs;
  while (runningDaemon(paths) === undefined && isStarting(paths) && clock.monotonic() < deadlineMs)
    await clock.sleep(cliLimits.stopPollMs);
}

async function stopOnce(paths: ClusterPaths, last: DaemonInfo | undefined, context: Context): Promise<void> {
  const { terminal, clock } = context;
  const running = runningDaemon(paths);
  if (running !== undefined) {
    terminal.note(`draining and stopping "${paths.name}" …`);
    const told = tellEnding(paths, running, context);
    await stopDaemonProcess(running, clock).finally(told);
    return;
  }
  terminal.note(`the daemon of "${paths.name}" was killed; adopting its pods to stop them …`);
  const options = { home: paths.home, name: paths.name, ephemeral: last?.ephemeral ?? false };
  const { info } = await startDaemonProcess(paths, options, context);
  await stopDaemonProcess(info, clock);
}
