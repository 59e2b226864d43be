// Looks for an image in one project folder: `wherry.yaml`, its npm workspaces, folders with a Dockerfile. Reads only.
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { daemonLimits } from "../limits.ts";
import { parseDockerfile } from "./dockerfile.ts";
import type { RegisteredImage } from "./registry.ts";

/** @param name as the pod has it. @param base its last path segment without the tag */
export async function findInProject(root: string, name: string, base: string): Promise<RegisteredImage | undefined> {
  const listed = (await fromWherryYaml(root, name, base)) ?? fromWorkspaces(root, base);
  return listed ?? fromDockerfile(join(root, base)) ?? fromItself(root, base);
}

async function fromWherryYaml(root: string, name: string, base: string): Promise<RegisteredImage | undefined> {
  const text = readSmall(join(root, "wherry.yaml"));
  if (text === undefined) return undefined;
  const { parse } = await import("yaml");
  const { images } = record(parse(text));
  const entry = record(record(images)[name] ?? record(images)[name.replace(/:[^/:]*$/, "")] ?? record(images)[base]);
  if (Object.keys(entry).length === 0) return undefined;
  const folder = resolve(root, typeof entry["folder"] === "string" ? entry["folder"] : ".");
  const command = entry["command"];
  if (command === undefined) return fromDockerfile(folder) ?? fromPackage(folder);
  const env = Object.entries(record(entry["env"])).map(([key, value]) => [key, String(value)]);
  return {
    entrypoint: [],
    cmd: Array.isArray(command)
      ? command.map(String)
      : ["/bin/sh", "-c", typeof command === "string" ? command : JSON.stringify(command)],
    workingDir: folder,
    env: Object.fromEntries(env) as Record<string, string>,
  };
}

/** The project is the image: its package has that name. */
function fromItself(root: string, base: string): RegisteredImage | undefined {
  const { name } = packageJson(root);
  if (typeof name !== "string" || name.slice(name.lastIndexOf("/") + 1) !== base) return undefined;
  return fromDockerfile(root) ?? fromPackage(root);
}

function fromWorkspaces(root: string, base: string): RegisteredImage | undefined {
  const { workspaces } = packageJson(root);
  const patterns = Array.isArray(workspaces) ? workspaces : record(workspaces)["packages"];
  if (!Array.isArray(patterns)) return undefined;
  for (const folder of globSync(patterns.map(String), { cwd: root }).map((path) => join(root, path))) {
    const { name } = packageJson(folder);
    if (typeof name !== "string" || name.slice(name.lastIndexOf("/") + 1) !== base) continue;
    const found = fromDockerfile(folder) ?? fromPackage(folder);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What `node <entry>` runs of a package: its "wherry" field, else "main", else the one script named like the folder. */
export function packageEntry(folder: string): string | undefined {
  const manifest = packageJson(folder);
  const base = folder.slice(folder.lastIndexOf("/") + 1);
  const candidates = [manifest["wherry"], manifest["main"], `${base}.ts`, `${base}.js`, `${base}.mjs`];
  for (const candidate of candidates) {
    if (typeof candidate !== "string") continue;
    const path = resolve(folder, candidate);
    if (path.startsWith(`${resolve(folder)}/`) && existsSync(path) && statSync(path).isFile()) return path;
  }
  return undefined;
}

/** Runs a script with the Node that runs Wherry. */
export function nodeImage(script: string, workingDir: string): RegisteredImage {
  return { entrypoint: [process.execPath, script], cmd: [], workingDir, env: {} };
}

function fromPackage(folder: string): RegisteredImage | undefined {
  const entry = packageEntry(folder);
  return entry === undefined ? undefined : nodeImage(entry, folder);
}

/** WORKDIR names a place inside an image that was never built: the folder itself stands for the last WORKDIR. */
function fromDockerfile(folder: string): RegisteredImage | undefined {
  const text = readSmall(join(folder, "Dockerfile"));
  if (text === undefined) return undefined;
  const file = parseDockerfile(text);
  if (file.entrypoint.length + file.cmd.length === 0) return undefined;
  const port = /^(\d+)\/tcp$/.exec(file.expose[0] ?? "")?.[1];
  return {
    entrypoint: file.entrypoint.map((part) => insideFolder(part, file.workdir, folder)),
    cmd: file.cmd.map((part) => insideFolder(part, file.workdir, folder)),
    workingDir: folder,
    env: { ...(port === undefined ? {} : { PORT: port }), ...file.env },
  };
}

/** `/app/server.js` under `WORKDIR /app` is `server.js` of the folder. */
function insideFolder(part: string, workdir: string | undefined, folder: string): string {
  if (workdir === undefined || !workdir.startsWith("/")) return part;
  const prefix = `${workdir.replace(/\/$/, "")}/`;
  return prefix !== "/" && part.startsWith(prefix) ? join(folder, part.slice(prefix.length)) : part;
}

function packageJson(folder: string): Record<string, unknown> {
  const text = readSmall(join(folder, "package.json"));
  if (text === undefined) return {};
  try {
    return record(JSON.parse(text));
  } catch {
    return {};
  }
}

function readSmall(path: string): string | undefined {
  try {
    return statSync(path).size > daemonLimits.imageFileBytesMax ? undefined : readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}
