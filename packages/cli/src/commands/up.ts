// `wherry up`: starts the daemon when none runs, applies PATH, waits until all is ready, says where it is, and streams logs
// until Ctrl-C, which drains and stops everything. What could not be brought up is taken back.
import { existsSync, rmdirSync } from "node:fs";
import {
  type ClusterPaths,
  type DaemonInfo,
  type ImageRegistry,
  type Place,
  readPlace,
  registerImages,
  prepareState,
  removeState,
  runningDaemon,
} from "@wherry/cluster/state";
import { WherryError } from "@wherry/core";
import type { Context } from "../context.ts";
import { pathsOf, startDaemonProcess } from "../daemon-process.ts";
import { tellEnding } from "../ending-report.ts";
import { CliError, exitCodes, nameOption } from "../errors.ts";
import { cliLimits } from "../limits.ts";
import type { CommonOptions } from "../common-options.ts";
import { Timings } from "../timings.ts";
import { Interrupt } from "../up/interrupt.ts";
import { planPaths } from "../up/plan.ts";
import { loadParts, Run } from "../up/run.ts";
import { duration, wholeNumber } from "../values.ts";

export interface UpOptions extends CommonOptions {
  readonly replicas?: string;
  readonly nodes?: string;
  readonly detach?: true;
  readonly ephemeral?: true;
  readonly runtime?: "process" | "simulated";
  readonly port?: string;
  readonly timeout: string;
}

export async function up(given: readonly string[], options: UpOptions, context: Context): Promise<number> {
  const paths = pathsOf(options.name, context);
  const nodes = options.nodes === undefined ? undefined : wholeNumber("--nodes", options.nodes, 1, cliLimits.nodesMax);
  const timeoutMs = duration("--timeout", options.timeout);
  const port = options.port === undefined ? undefined : wholeNumber("--port", options.port, 1, 65_535);
  const replicas =
    options.replicas === undefined ? undefined : wholeNumber("--replicas", options.replicas, 0, cliLimits.replicasMax);
  const running = runningDaemon(paths);
  if (running !== undefined && options.detach !== true) throw alreadyRunning(options.name, running.pid, given);
  if (running !== undefined) refuseStartOptions(options, { nodes, port }, running, readPlace(paths));
  const plan = await planPaths(given, {
    cwd: context.cwd,
    env: context.env,
    ...(replicas === undefined ? {} : { replicas }),
  });
  const timings = new Timings();
  timings.mark("planned");
  const fresh = !existsSync(paths.folder);
  prepare(paths, plan.images, fresh);
  const interrupt = new Interrupt(context.clock);
  const daemonOptions = {
    home: paths.home,
    name: paths.name,
    ephemeral: options.ephemeral === true,
    ...(nodes === undefined ? {} : { nodes }),
    ...(options.runtime === undefined ? {} : { runtime: options.runtime }),
    ...(port === undefined ? {} : { port }),
  };
  try {
    const starting = running === undefined ? startDaemonProcess(paths, daemonOptions, context) : undefined;
    // Loaded meanwhile; should it fail, the run says so.
    loadParts().catch(() => undefined);
    const daemon = (await starting) ?? { info: running as DaemonInfo, child: undefined };
    timings.mark("listening");
    const run = new Run({ paths, ...daemon, plan, timeoutMs, detach: options.detach === true, timings, context });
    return await supervise(run, interrupt, paths, context);
  } catch (error) {
    // A cluster that never came up leaves no folder; one that another `up` has just made, or whose daemon died, stays.
    const keep =
      error instanceof CliError &&
      (error.exitCode === exitCodes.daemonLost || error.exitCode === exitCodes.alreadyRunning);
    if (fresh && !keep) discard(paths);
    throw error;
  }
}

/** On a disk that is full nothing is left of a cluster that is new: not even empty folders. */
function prepare(paths: ClusterPaths, images: ImageRegistry, fresh: boolean): void {
  try {
    prepareState(paths);
    registerImages(paths.images, images);
  } catch (error) {
    if (fresh) for (const folder of [paths.pki, paths.folder]) removeEmpty(folder);
    throw error;
  }
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // It was not made, or somebody has put something into it.
  }
}

/** What made the start fail may keep this from working, too: the start's own error is the one to tell. */
function discard(paths: ClusterPaths): void {
  try {
    if (existsSync(paths.folder)) removeState(paths);
  } catch {
    // Told already.
  }
}

/** Runs until it is done, the user wants to stop, or the daemon dies; leaves nothing half-made. */
async function supervise(run: Run, interrupt: Interrupt, paths: ClusterPaths, context: Context): Promise<number> {
  const { terminal } = context;
  const work = run.bringUp();
  const outcome = await Promise.race([
    work.then(
      (code) => ({ type: "done", code }) as const,
      (error: unknown) => ({ type: "failed", error }) as const,
    ),
    interrupt.first.then(() => ({ type: "interrupted" }) as const),
    run.daemonEnded.then((how) => ({ type: "ended", how }) as const),
  ]);
  switch (outcome.type) {
    case "done":
      return outcome.code;
    case "ended":
      return daemonGone(outcome.how, paths, context);
    case "interrupted": {
      run.stopStreaming();
      if (!run.ownsDaemon) return exitCodes.interrupted;
      terminal.note(terminal.style("dim", "\ndraining and stopping … (Ctrl-C again stops at once)"));
      run.stop();
      const told = tellEnding(paths, run.info, context);
      const clean = await Promise.race([
        run.daemonEnded.then(() => true),
        interrupt.second.then(() => {
          run.stop();
          return false;
        }),
      ]);
      await run.daemonEnded;
      told();
      terminal.note(clean ? `stopped "${paths.name}"` : `stopped "${paths.name}" at once`);
      return clean && run.isUp ? 0 : exitCodes.interrupted;
    }
    case "failed": {
      // The daemon's death breaks the connection first; what the user needs to know is the death.
      if (WherryError.is(outcome.error, "KUBE_UNREACHABLE") && (await run.diedJustNow()))
        return daemonGone(await run.daemonEnded, paths, context);
      if (run.ownsDaemon) {
        run.stop();
        await run.daemonEnded;
      }
      throw outcome.error;
    }
  }
}

function daemonGone(
  how: { readonly code: number | null; readonly signal: string | null },
  paths: ClusterPaths,
  context: Context,
): number {
  if (how.code === 0) {
    context.terminal.note(`"${paths.name}" was stopped`);
    return 0;
  }
  const option = paths.name === "default" ? "" : ` --name ${paths.name}`;
  const ended = how.signal === null ? `exit code ${how.code ?? "?"}` : how.signal;
  throw new CliError(
    `the cluster's daemon died (${ended}). Its pods live on and go on serving: "${context.self} up${option}" adopts them, "${context.self} down${option}" stops them. Its log: ${paths.log}`,
    exitCodes.daemonLost,
  );
}

/** What only a start decides is not silently ignored on a cluster that runs; saying what it is anyway is fine. */
function refuseStartOptions(
  options: UpOptions,
  { nodes, port }: { readonly nodes: number | undefined; readonly port: number | undefined },
  running: DaemonInfo,
  place: Place | undefined,
): void {
  const differing = [
    nodes !== undefined && nodes !== place?.nodes ? `--nodes ${nodes} (it has ${place?.nodes ?? "?"})` : "",
    options.runtime !== undefined && options.runtime !== place?.runtime
      ? `--runtime ${options.runtime} (it has ${place?.runtime ?? "?"})`
      : "",
    port !== undefined && port !== running.port ? `--port ${port} (it has ${running.port})` : "",
    options.ephemeral === true && !running.ephemeral ? "--ephemeral" : "",
  ].filter((text) => text !== "");
  if (differing.length === 0) return;
  const option = nameOption(options.name);
  throw new CliError(
    `cluster "${options.name}" is already running, and ${differing.join(" and ")} is for a start: "wherry down${option}" first, or start another cluster with another --name`,
    exitCodes.alreadyRunning,
  );
}

function alreadyRunning(name: string, pid: number, given: readonly string[]): CliError {
  const option = name === "default" ? "" : ` --name ${name}`;
  const apply = `"wherry up${option} --detach ${given.length === 0 ? "PATH" : given.join(" ")}"`;
  return new CliError(
    `cluster "${name}" is already running (pid ${pid}): ${apply} applies to it, "wherry down${option}" stops it, another --name starts another`,
    exitCodes.alreadyRunning,
  );
}
