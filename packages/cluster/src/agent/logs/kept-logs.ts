// Logs of pods that are gone. Kubernetes loses a pod's log with the pod; here it is moved aside, so that the log of a Deployment goes back
// to before its last rollout. The oldest give way to newer ones. It starts nothing, and reads nothing of pods that are there.
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Pod } from "@wherry/kube";
import { keptLogBytesMax, keptLogPodsMax } from "../limits.ts";
import type { Folders } from "../pod/folders.ts";
import { readLog } from "./read-log.ts";

/** One pod that is gone, with what its log can be found by. */
export interface KeptLog {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  /** When it went, RFC 3339. */
  readonly goneAt: string;
  readonly bytes: number;
  /** Its containers, each with the numbers of the runs that are kept, oldest first. */
  readonly containers: readonly { readonly name: string; readonly runs: readonly number[] }[];
}

const aboutFile = "pod.json";

/** Moves the log of a pod aside; one that has none, or only empty ones, is removed. */
export async function keepLogs(folders: Folders, pod: Pod, nowMs: number): Promise<void> {
  const folder = folders.logs(pod);
  const { namespace = "", name = "", uid = "", labels = {} } = pod.metadata ?? {};
  const containers = await containersIn(folder);
  const bytes = await bytesOf(folder, containers);
  if (bytes === 0) {
    await remove(folder);
    return;
  }
  const about: KeptLog = { namespace, name, uid, labels, goneAt: new Date(nowMs).toISOString(), bytes, containers };
  await mkdir(folders.keptLogs, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, aboutFile), JSON.stringify(about), { mode: 0o600 });
  // Found by its name alone once the file in it is whole; sorted by when it went.
  await rename(folder, join(folders.keptLogs, `${String(nowMs).padStart(15, "0")}_${uid}`));
  await prune(folders.keptLogs);
}

/** Oldest first. @param folder `Folders.keptLogs` */
export async function keptLogs(folder: string): Promise<readonly KeptLog[]> {
  return (await entriesOf(folder)).map(({ about }) => about);
}

/** As `kubectl logs` shows it; nothing when it has given way meanwhile. */
export async function* readKeptLog(
  folder: string,
  { uid }: KeptLog,
  of: {
    readonly container: string;
    readonly run: number;
    readonly tailLines?: number;
    /** Each line after its time. Default false. */
    readonly timestamps?: boolean;
    readonly signal: AbortSignal;
  },
): AsyncGenerator<Uint8Array> {
  const entry = (await readdir(folder).catch(() => [])).find((name) => name.endsWith(`_${uid}`));
  if (entry === undefined) return;
  const { tailLines, timestamps = false, signal } = of;
  yield* readLog({
    file: join(folder, entry, of.container, `${of.run}.log`),
    pump: undefined,
    options: {
      ...{ follow: false, previous: false, timestamps, signal },
      ...(tailLines === undefined ? {} : { tailLines }),
    },
    nowMs: 0,
  });
}

interface Entry {
  readonly path: string;
  readonly about: KeptLog;
}

async function entriesOf(folder: string): Promise<readonly Entry[]> {
  const names = (await readdir(folder).catch(() => [])).sort();
  const entries = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      const about = await readFile(join(path, aboutFile), "utf8").then(parseAbout, () => undefined);
      return about === undefined ? [] : [{ path, about }];
    }),
  );
  return entries.flat();
}

function parseAbout(text: string): KeptLog | undefined {
  try {
    const about = JSON.parse(text) as Partial<KeptLog> | null;
    return typeof about?.uid === "string" && Array.isArray(about.containers) ? (about as KeptLog) : undefined;
  } catch {
    return undefined;
  }
}

async function prune(folder: string): Promise<void> {
  const newestFirst = [...(await entriesOf(folder))].reverse();
  let bytes = 0;
  const tooMany = newestFirst.filter(({ about }, index) => {
    bytes += about.bytes;
    return index >= keptLogPodsMax || bytes > keptLogBytesMax;
  });
  await Promise.all(tooMany.map(({ path }) => remove(path)));
}

async function containersIn(folder: string): Promise<KeptLog["containers"]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => name !== aboutFile).sort();
  return Promise.all(
    names.map(async (name) => {
      const files = await readdir(join(folder, name)).catch(() => []);
      const runs = files.map((file) => /^(\d+)\.log$/.exec(file)?.[1]).filter((run) => run !== undefined);
      return { name, runs: runs.map(Number).sort((a, b) => a - b) };
    }),
  );
}

/** With what was rotated. */
async function bytesOf(folder: string, containers: KeptLog["containers"]): Promise<number> {
  const sizes = containers.map(async ({ name }) => {
    const files = await readdir(join(folder, name)).catch(() => []);
    const found = await Promise.all(files.map((file) => stat(join(folder, name, file)).catch(() => undefined)));
    return found.reduce((sum, one) => sum + (one?.size ?? 0), 0);
  });
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

const remove = (path: string): Promise<void> => rm(path, { recursive: true, force: true, maxRetries: 3 });
