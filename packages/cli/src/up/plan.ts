// What the PATHs of `wherry up` come to: objects to apply and images to register. Reads files, and asks programs that run several services
// which; touches no cluster, so that a PATH that isn't there or a broken file is told before anything is started.
import { existsSync, lstatSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type ImageRegistry, nodeImage, packageEntry, type RegisteredImage } from "@wherry/cluster/state";
import { CliError, usageError } from "../errors.ts";
import { projectFileName, readProjectFile } from "../project-file.ts";
import { askProgram, type Listening } from "./ask.ts";
import { type Content, contentOf } from "./content.ts";
import type { ImageOf } from "./image-options.ts";
import { isManifestFile, missingEntry } from "./manifest-files.ts";
import type { PlannedObject } from "./manifests.ts";
import { type ServiceFile, serviceObjects, servicesOf } from "./service-file.ts";
import { isInstalled } from "./workspace.ts";

export interface Plan {
  readonly objects: readonly PlannedObject[];
  readonly images: ImageRegistry;
  /** Names of the services that the files and packages run. */
  readonly services: readonly string[];
  /** What those were made of. */
  readonly files: readonly ServiceFile[];
}

const scripts = new Set([".ts", ".mts", ".js", ".mjs"]);
const manifests = new Set([".yaml", ".yml", ".json"]);

/** @throws CliError usage: nothing at PATH, or nothing in it that can be run */
export async function planPaths(
  paths: readonly string[],
  options: {
    readonly cwd: string;
    readonly replicas?: number;
    /** Which image a program's Deployment names. Default: `NAME:dev`. */
    readonly imageOf?: ImageOf;
    readonly env: NodeJS.ProcessEnv;
  },
): Promise<Plan> {
  const objects: PlannedObject[] = [];
  const images: Record<string, RegisteredImage> = {};
  const services: string[] = [];
  const files: ServiceFile[] = [];
  const roots = new Set<string>([options.cwd]);
  for (const path of paths) {
    const absolute = resolve(options.cwd, path);
    if (path === "" || !existsSync(absolute)) throw nothingAt(path, absolute);
    const script = serviceScript(absolute);
    if (script === undefined) {
      const { readManifests } = await import("./manifests.ts");
      objects.push(...readManifests(absolute, path));
      const folder = statSync(absolute).isDirectory() ? absolute : dirname(absolute);
      roots.add(folder);
      // Of a package's `k8s/`, the package.
      if (existsSync(join(dirname(folder), "package.json"))) roots.add(dirname(folder));
      continue;
    }
    const name = serviceName(script, path);
    if (files.some((other) => other.name === name))
      throw usageError(`two services are called "${name}": rename one of the files`);
    const content = contentOf(script);
    const image = withCompileCache(serviceImage(script, content), options.env);
    images[`${name}:dev`] = image;
    const listening = await listeningOf(content, image, path, options.env);
    const file: ServiceFile = {
      name,
      ...serviceOf(content, listening),
      replicas: options.replicas ?? 1,
      content: content.hash,
      http: content.http || answersHttp(listening),
      ...imageOf(name, options),
      ...(listening === undefined ? {} : severalOf(listening)),
    };
    for (const service of servicesOf(file)) {
      if (services.includes(service)) throw usageError(`two services are called "${service}": rename one of them`);
      services.push(service);
    }
    files.push(file);
    for (const object of serviceObjects(file)) objects.push({ object, source: path });
  }
  // The daemon reads them when a pod asks for an image: what is wrong with them is told here, before.
  for (const root of roots) await readProjectFile(join(root, projectFileName));
  if (options.replicas !== undefined && services.length === 0)
    throw usageError(
      "--replicas is for services given as a file or package: manifests say their own number of replicas",
    );
  return { objects, images: { images, roots: [...roots] }, services, files };
}

function nothingAt(path: string, absolute: string): CliError {
  const expected = "give a service file, a package, or manifests";
  if (path === "") return usageError(`PATH is empty: ${expected}; "." is this folder`);
  const isLink = lstatSync(absolute, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  return usageError(
    isLink ? `${path} is a link that leads nowhere: ${expected}` : `there is nothing at ${path}: ${expected}`,
  );
}

/** What the program says of itself, where its text does not. */
async function listeningOf(
  { service }: Content,
  image: RegisteredImage,
  path: string,
  env: NodeJS.ProcessEnv,
): Promise<Listening | undefined> {
  if (service === "several") return askProgram(image, path, env);
  if (service !== "unknown") return undefined;
  try {
    return await askProgram(image, path, env);
  } catch (error) {
    // Its pods say what is wrong with it, and better.
    if (error instanceof CliError) return undefined;
    throw error;
  }
}

/** What clients call it; where nothing tells, the file's name is what `up` goes by. */
function serviceOf({ service }: Content, listening: Listening | undefined): Pick<ServiceFile, "service"> {
  const own = listening?.services.length === 1 ? listening.services[0]?.name : undefined;
  const name = own ?? (typeof service === "object" ? service.name : undefined);
  return name === undefined ? {} : { service: name };
}

/** The only one does; of several, each says so for itself. */
const answersHttp = (listening: Listening | undefined): boolean =>
  listening?.services.length === 1 && listening.services[0]?.httpPort !== null;

function severalOf({ services, adminPort }: Listening): Pick<ServiceFile, "several"> {
  if (services.length === 1) return {};
  const parts = services.map(({ name, port, httpPort }) => ({ name, port, httpPort: httpPort ?? undefined }));
  return { several: { parts, adminPort } };
}

function imageOf(name: string, options: { readonly imageOf?: ImageOf }): Pick<ServiceFile, "image"> {
  const image = options.imageOf?.(name);
  return image === undefined ? {} : { image };
}

/** The script to run when PATH is a service file or package; undefined when it holds manifests. */
function serviceScript(path: string): string | undefined {
  if (!statSync(path).isDirectory()) {
    if (scripts.has(extname(path))) return path;
    if (manifests.has(extname(path))) return undefined;
    throw usageError(
      `${path} is neither a service (${[...scripts].join(", ")}) nor a manifest (${[...manifests].join(", ")})`,
    );
  }
  const files = readdirSync(path);
  const kustomization = files.find((file) => /^(kustomization\.ya?ml|Kustomization)$/.test(file));
  if (kustomization !== undefined)
    throw usageError(
      `${join(path, kustomization)}: kustomizations are not built here yet. Build it first: kubectl kustomize ${path} > all.yaml, then "wherry up all.yaml"`,
    );
  const entry = files.includes("package.json") ? packageEntry(path) : undefined;
  if (entry !== undefined) return entry;
  if (files.some(isManifestFile)) return undefined;
  const missing = missingEntry(path);
  if (missing !== undefined)
    throw usageError(
      `${join(path, "package.json")} says ${missing}, and there is no such file: write it, or name another`,
    );
  throw usageError(
    `${path} holds neither manifests (*.yaml, *.json) nor a service package (package.json with "main", or ${basename(path)}.ts)`,
  );
}

/** The file's name, or its folder's when the file is an index or main. */
function serviceName(script: string, path: string): string {
  const file = basename(script, extname(script));
  const raw = ["index", "main", "server", "service"].includes(file) ? basename(dirname(script)) : file;
  const name = raw.toLowerCase().replace(/[_.\s]+/g, "-");
  // A Service's name is an RFC 1035 label.
  if (!/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name))
    throw usageError(
      `${path} would become a Service called ${JSON.stringify(name)}, which is no DNS name: use letters from a to z, digits and "-", starting with a letter, at most 63 together`,
    );
  return name;
}

/** `node FILE`. A file outside of any project has no @wherry packages beside it: it gets Wherry's own. */
function serviceImage(script: string, { packages }: Content): RegisteredImage {
  const image = nodeImage(script, dirname(script));
  const missing = [...packages].some((name) => name.startsWith("@wherry/") && !isInstalled(name, script));
  if (!missing) return image;
  const [node = process.execPath, ...rest] = image.entrypoint;
  return { ...image, entrypoint: [node, "--require", ownPackages, ...rest] };
}

const ownPackages = fileURLToPath(new URL("./own-packages.cjs", import.meta.url));

/** Services start in half the time when Node keeps what it compiled; in this project's cache folder, or not at all. */
function withCompileCache(image: RegisteredImage, env: NodeJS.ProcessEnv): RegisteredImage {
  const folder = env["NODE_COMPILE_CACHE"];
  return folder === undefined || folder === ""
    ? image
    : { ...image, env: { ...image.env, NODE_COMPILE_CACHE: folder } };
}
