// Starts a daemon as a process of its own session and waits until its API listens; finds and stops one that runs.
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  clusterNames,
  type ClusterPaths,
  clusterPaths,
  type DaemonInfo,
  daemonLimits,
  type DaemonOptions,
  isAlive,
  isLocked,
  parseReport,
  podsRun,
  prepareState,
  type ProcessIdentity,
  processStartTime,
  readDaemonInfo,
  readStateFile,
  reportFdVariable,
  runningDaemon,
  signalProcess,
  wherryHome,
  writeFileAtomic,
} from "@wherry/cluster/state";
import type { Clock } from "@wherry/core";
import type { Context } from "./context.ts";
import { CliError, daemonLost, exitCodes, notRunning } from "./errors.ts";
import { cliLimits } from "./limits.ts";

export const pathsOf = (name: string, context: Context): ClusterPaths => clusterPaths(wherryHome(context.env), name);

/** @throws CliError `notRunning`, `daemonLost` */
export function requireDaemon(name: string, context: Context): { paths: ClusterPaths; info: DaemonInfo } {
  const paths = pathsOf(name, context);
  const info = runningDaemon(paths);
  if (info === undefined) throw whyNotRunning(paths);
  return { paths, info };
}

/** A daemon that ended in order took its daemon.json along; what a killed one left says that it was. */
export const isDaemonLost = (paths: ClusterPaths): boolean =>
  runningDaemon(paths) === undefined && (readDaemonInfo(paths) !== undefined || podsRun(paths));

export function whyNotRunning(paths: ClusterPaths): CliError {
  if (isDaemonLost(paths)) return daemonLost(paths.name, podsRun(paths), paths.log);
  return notRunning(
    paths.name,
    clusterNames(paths.home).filter((name) => name !== paths.name),
  );
}

export interface StartedDaemon {
  readonly info: DaemonInfo;
  readonly child: ChildProcess;
}

/** @throws WherryError `STATE_UNUSABLE`, CliError when it does not come up, with the reason or its log's end */
export async function startDaemonProcess(
  paths: ClusterPaths,
  options: DaemonOptions,
  context: Context,
): Promise<StartedDaemon> {
  prepareState(paths);
  // For `isStarting`, until the daemon says itself who it is.
  const own = { pid: process.pid, startTime: processStartTime(process.pid) ?? "" };
  writeFileAtomic(paths.startingFile, JSON.stringify(own));
  const child = spawnDaemon(paths, options, context);
  // Its life does not depend on ours: it must not hold our event loop, nor we its.
  child.unref();
  const timer = context.clock.timer(cliLimits.daemonStartTimeoutMs, () => child.kill("SIGKILL"));
  try {
    const report = parseReport(await readToEnd(child));
    if (report?.type === "listening") return { info: report.info, child };
    if (report?.type === "failed")
      throw new CliError(
        report.message,
        report.code === "DAEMON_RUNNING" ? exitCodes.alreadyRunning : exitCodes.failed,
      );
    throw new CliError(
      `the cluster's daemon died while starting. The end of ${paths.log}:\n${logTail(paths.log)}`,
      exitCodes.daemonLost,
    );
  } finally {
    timer.cancel();
    rmSync(paths.startingFile, { force: true });
  }
}

/** Somebody is about to start a daemon, or has started one that has not said so yet. */
export function isStarting(paths: ClusterPaths): boolean {
  if (isLocked(paths)) return true;
  try {
    const starter = JSON.parse(readStateFile(paths.startingFile) ?? "{}") as Partial<ProcessIdentity>;
    const { pid = 0, startTime = "" } = starter;
    return pid > 1 && isAlive({ pid, startTime });
  } catch {
    return false;
  }
}

/** A young generation of 1 MiB instead of 16: what is resident while idle is 13 MB less (105 to 92 MB with three pods). */
const daemonFlags = ["--max-semi-space-size=1"] as const;

function spawnDaemon(paths: ClusterPaths, options: DaemonOptions, context: Context): ChildProcess {
  rotateLog(paths.log);
  const log = openSync(paths.log, "a", 0o600);
  try {
    return spawn(
      process.execPath,
      [...daemonFlags, fileURLToPath(import.meta.resolve("@wherry/cluster/daemon")), JSON.stringify(options)],
      {
        detached: true,
        // Not ours: a folder that is removed later would be held.
        cwd: paths.folder,
        stdio: ["ignore", log, log, "pipe"],
        env: { ...context.env, WHERRY_HOME: paths.home, [reportFdVariable]: "3" },
      },
    );
  } finally {
    closeSync(log);
  }
}

/** Everything that comes on the report pipe until it is closed, which it is after one report, or by death. */
function readToEnd(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const pipe = child.stdio[3];
    let text = "";
    child.once("error", (error) => {
      reject(new CliError(`the cluster's daemon could not be started: ${error.message}`, exitCodes.daemonLost));
    });
    pipe?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    pipe?.once("close", () => {
      resolve(text);
    });
    pipe?.once("error", reject);
  });
}

function rotateLog(path: string): void {
  try {
    if (statSync(path).size > daemonLimits.daemonLogBytesMax) renameSync(path, `${path}.1`);
  } catch {
    // There is none yet.
  }
}

function logTail(path: string): string {
  try {
    return readFileSync(path, "utf8").trimEnd().split("\n").slice(-cliLimits.whyLogLines).join("\n");
  } catch {
    return "(no log)";
  }
}

/** Asks it to drain and stop, and waits until it is gone. @throws CliError when it does not end in time */
export async function stopDaemonProcess(info: DaemonInfo, clock: Clock): Promise<void> {
  signalProcess(info, "SIGTERM");
  // One that somebody has stopped would hear it later, or never.
  signalProcess(info, "SIGCONT");
  await waitForEnd(info, clock);
}

async function waitForEnd(info: DaemonInfo, clock: Clock): Promise<void> {
  const deadlineMs = clock.monotonic() + cliLimits.stopTimeoutMs;
  while (isAlive(info)) {
    if (clock.monotonic() > deadlineMs)
      throw new CliError(
        `the cluster's daemon (pid ${info.pid}) did not stop within ${cliLimits.stopTimeoutMs / 1000} s: see its log, daemon.log in the cluster's state folder`,
      );
    await clock.sleep(cliLimits.stopPollMs);
  }
}
