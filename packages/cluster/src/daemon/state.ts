// Where a cluster keeps its state, and who may touch it: `$WHERRY_HOME/<name>/`, 0700, one folder a cluster. Files are
// written aside and renamed, so that a reader never sees half of one. Never writes outside of the folder it is given.
import { randomUUID } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { WherryError } from "@wherry/core";
import { daemonLimits } from "./limits.ts";
import { isAlive, type ProcessIdentity } from "./process-identity.ts";

export interface ClusterPaths {
  readonly home: string;
  readonly name: string;
  /** The cluster's own folder; everything below is in it. */
  readonly folder: string;
  readonly kubeconfig: string;
  /** There while a daemon runs, and after one that was killed. */
  readonly daemonFile: string;
  /** There while somebody starts a daemon: who. */
  readonly startingFile: string;
  /** Slot and port, kept from start to start. */
  readonly placeFile: string;
  /** Names of Services, for the pods. */
  readonly hosts: string;
  readonly log: string;
  readonly lock: string;
  readonly store: string;
  readonly pki: string;
  readonly images: string;
  readonly pods: string;
  readonly podLogs: string;
  /** Of pods that are gone. */
  readonly keptLogs: string;
}

/** What `daemon.json` says of the daemon that runs, or ran last. No secrets. */
export interface DaemonInfo extends ProcessIdentity {
  readonly name: string;
  /** `https://127.0.0.1:<port>` */
  readonly server: string;
  readonly port: number;
  /** The second octet of every address of the cluster: 127.<slot>.x.y. */
  readonly slot: number;
  readonly version: string;
  readonly startedAt: string;
  readonly ephemeral: boolean;
}

/** `$WHERRY_HOME`, else `$XDG_STATE_HOME/wherry`, else `~/.local/state/wherry`; absolute. */
export function wherryHome(env: NodeJS.ProcessEnv = process.env): string {
  if (env["WHERRY_HOME"]) return resolve(env["WHERRY_HOME"]);
  return resolve(env["XDG_STATE_HOME"] || join(homedir(), ".local", "state"), "wherry");
}

/** @throws WherryError `STATE_NAME_INVALID` */
export function clusterPaths(home: string, name: string): ClusterPaths {
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name) || name.length > daemonLimits.clusterNameCharsMax)
    throw new WherryError(
      `a cluster's name is lower-case letters, digits and "-" (at most ${daemonLimits.clusterNameCharsMax}), not ${JSON.stringify(name)}: choose another --name`,
      { code: "STATE_NAME_INVALID", details: { name } },
    );
  const folder = join(home, name);
  return {
    home,
    name,
    folder,
    kubeconfig: join(folder, "kubeconfig"),
    daemonFile: join(folder, "daemon.json"),
    startingFile: join(folder, "starting.json"),
    placeFile: join(folder, "place.json"),
    hosts: join(folder, "hosts"),
    log: join(folder, "daemon.log"),
    lock: join(folder, "lock"),
    store: join(folder, "store.db"),
    pki: join(folder, "pki"),
    images: join(folder, "images.json"),
    pods: join(folder, "pods"),
    podLogs: join(folder, "logs", "pods"),
    keptLogs: join(folder, "logs", "gone"),
  };
}

/** Makes home and the cluster's folder, or checks that they are ours alone. @throws WherryError `STATE_UNUSABLE` */
export function prepareState(paths: ClusterPaths): void {
  privateFolder(paths.home, { parents: true });
  privateFolder(paths.folder, { parents: false });
  privateFolder(paths.pki, { parents: false });
}

/**
 * Makes a 0700 folder, or checks the one that is there: a real folder (no link), ours, closed to others for writing and
 * open to us. Whoever can write here decides what the daemon runs.
 */
function privateFolder(path: string, options: { readonly parents: boolean }): void {
  try {
    if (options.parents) makeParents(dirname(path));
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw unusable(path, `can't be made (${reason(error)})`);
  }
  let stats: Stats;
  try {
    stats = lstatSync(path);
  } catch (error) {
    throw unusable(path, `can't be read (${reason(error)})`);
  }
  if (stats.isSymbolicLink()) throw unusable(path, "is a symbolic link, and a link can be pointed elsewhere");
  if (!stats.isDirectory()) throw unusable(path, "is not a folder");
  const uid = process.getuid?.();
  if (uid !== undefined && stats.uid !== uid) throw unusable(path, `belongs to user ${stats.uid}, not to you (${uid})`);
  if ((stats.mode & 0o022) !== 0)
    throw unusable(path, `can be written by other users (mode ${(stats.mode & 0o777).toString(8)}): chmod 700 ${path}`);
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    throw unusable(path, `can't be written (mode ${(stats.mode & 0o777).toString(8)}): chmod 700 ${path}`);
  }
}

/** One by one: Node's own `recursive` never ends where a parent is there and refuses, as /proc does. */
function makeParents(path: string): void {
  if (existsSync(path) || path === dirname(path)) return;
  makeParents(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Made meanwhile by another one that starts.
    if (reason(error) !== "EEXIST") throw error;
  }
}

const reason = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);

function unusable(path: string, what: string): WherryError {
  return new WherryError(
    `the state folder ${path} ${what}. Mend it, or set WHERRY_HOME to a folder that is yours alone`,
    { code: "STATE_UNUSABLE", details: { path } },
  );
}

/** Writes aside with `mode`, then renames: a reader sees the old file or the new one. */
export function writeFileAtomic(path: string, text: string, mode = 0o600): void {
  const aside = `${path}.${randomUUID()}`;
  try {
    writeFileSync(aside, text, { mode, flag: "wx" });
    renameSync(aside, path);
  } catch (error) {
    rmSync(aside, { force: true });
    if (reason(error) === "EISDIR") throw unusable(dirname(path), `has a folder where ${basename(path)} belongs`);
    if (["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EFBIG"].includes(reason(error)))
      throw unusable(dirname(path), `can't be written (${reason(error)})`);
    throw error;
  }
}

/** A state file's text; undefined when there is none. @throws WherryError `STATE_FILE_TOO_LARGE`, `STATE_UNUSABLE` */
export function readStateFile(path: string): string | undefined {
  try {
    if (statSync(path).size > daemonLimits.stateFileBytesMax)
      throw new WherryError(
        `${path} is larger than ${daemonLimits.stateFileBytesMax} bytes: it is not ours, remove it`,
        {
          code: "STATE_FILE_TOO_LARGE",
        },
      );
    return readFileSync(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(reason(error))) return undefined;
    if (["EACCES", "EPERM", "EISDIR", "ELOOP"].includes(reason(error)))
      throw unusable(dirname(path), `has a ${basename(path)} that can't be read (${reason(error)})`);
    throw error;
  }
}

/** What the last daemon wrote of itself; undefined when there was none, or the file is damaged. */
export function readDaemonInfo(paths: ClusterPaths): DaemonInfo | undefined {
  const text = readStateFile(paths.daemonFile);
  if (text === undefined) return undefined;
  try {
    const info = JSON.parse(text) as Partial<DaemonInfo>;
    return Number.isSafeInteger(info.pid) && typeof info.startTime === "string" && typeof info.server === "string"
      ? (info as DaemonInfo)
      : undefined;
  } catch {
    return undefined;
  }
}

/** The daemon that runs now, by pid and start time. */
export function runningDaemon(paths: ClusterPaths): DaemonInfo | undefined {
  const info = readDaemonInfo(paths);
  return info !== undefined && isAlive(info) ? info : undefined;
}

/** The names of all clusters that have a folder in `home`. */
export function clusterNames(home: string): string[] {
  try {
    return readdirSync(home, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(entry.name))
      .map((entry) => entry.name)
      .sort();
  } catch {
    return [];
  }
}
