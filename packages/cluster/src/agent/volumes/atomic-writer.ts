// Writes the files of a ConfigMap, Secret, downward or projected volume so that a reader sees all of the old or all of the new
// (kubelet: pkg/volume/util/atomic_writer.go): they live in a dated folder that the link `..data` points to, and the visible names are
// links through it. It never follows a link that a container may have put there, and never writes outside its folder.
import { randomBytes } from "node:crypto";
import { lstat, mkdir, readdir, readFile, readlink, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { configError } from "../errors.ts";

export interface VolumeFile {
  readonly data: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
}

/** By relative path. */
export type Payload = ReadonlyMap<string, VolumeFile>;

const dataLink = "..data";
/** What this file makes and removes. The link may have been turned by a container: nothing else is followed. */
const datedName = /^\.\.data_[0-9a-f]{12}$/;

/** Makes `folder` show exactly `payload`. Answers whether anything changed. */
export async function writeAtomically(folder: string, payload: Payload): Promise<boolean> {
  for (const path of payload.keys()) checkPath(path);
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const found = await readlink(join(folder, dataLink)).catch(() => undefined);
  const previous = found !== undefined && datedName.test(found) ? found : undefined;
  if (previous !== undefined && (await shows(join(folder, previous), payload))) return false;
  const dated = `..data_${randomBytes(6).toString("hex")}`;
  await mkdir(join(folder, dated), { mode: 0o755 });
  await Promise.all(
    [...payload].map(async ([path, file]) => {
      const target = join(folder, dated, path);
      await mkdir(dirname(target), { recursive: true, mode: 0o755 });
      await writeFile(target, file.data, { mode: file.mode, flag: "wx" });
    }),
  );
  await symlink(dated, join(folder, `${dated}.link`));
  await rename(join(folder, `${dated}.link`), join(folder, dataLink));
  await showNames(folder, new Set([...payload.keys()].map((path) => path.split("/")[0] ?? path)));
  if (previous !== undefined) await rm(join(folder, previous), { recursive: true, force: true });
  return true;
}

/** A relative path without any step upwards. */
export function checkPath(path: string): void {
  const steps = path.split("/");
  const bad =
    path === "" ||
    path.startsWith("/") ||
    path.includes("\0") ||
    steps.some((step) => step === "" || step === "." || step === "..");
  if (bad || (steps[0] ?? "").startsWith(".."))
    throw configError(
      `path ${JSON.stringify(path)} must be relative, must not contain '..' and must not start with '..'`,
    );
}

async function shows(folder: string, payload: Payload): Promise<boolean> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  if (found.filter((entry) => entry.isFile()).length !== payload.size) return false;
  for (const [path, file] of payload) {
    const data = await readFile(join(folder, path)).catch(() => undefined);
    if (data === undefined || !data.equals(file.data)) return false;
  }
  return true;
}

async function showNames(folder: string, names: ReadonlySet<string>): Promise<void> {
  const present = new Set((await readdir(folder)).filter((name) => !name.startsWith("..")));
  for (const name of names) {
    const link = join(folder, name);
    if (present.has(name) && (await lstat(link)).isSymbolicLink()) continue;
    await rm(link, { recursive: true, force: true });
    await symlink(join(dataLink, name), link);
  }
  for (const name of present) if (!names.has(name)) await rm(join(folder, name), { recursive: true, force: true });
}
