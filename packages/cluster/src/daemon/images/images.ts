// Finds what an image name means on this machine, in this order: what `wherry up` registered, `wherry.yaml` of a known
// project, a workspace package or a folder with a Dockerfile of that name, well-known base images (the host's own tools).
// Downloads nothing, builds nothing.
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import type { Image, Images } from "../../agent/images.ts";
import { daemonLimits } from "../limits.ts";
import { findInProject } from "./project.ts";
import { readImageRegistry } from "./registry.ts";

/** `docker.io/library/node:24-alpine@sha256:…` → `node`; `ghcr.io/acme/web:1` → `web`. */
export function imageBaseName(name: string): string {
  const path = name.replace(/@.*$/, "").replace(/:[^/:]*$/, "");
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Base images that mean the host's own tools; only under Docker Hub's own name, so that `acme/node` is not taken for it. */
const wellKnown: Readonly<Record<string, { readonly entrypoint: readonly string[]; readonly cmd: readonly string[] }>> =
  {
    alpine: { entrypoint: [], cmd: ["/bin/sh"] },
    bash: { entrypoint: [], cmd: ["bash"] },
    busybox: { entrypoint: [], cmd: ["sh"] },
    debian: { entrypoint: [], cmd: ["bash"] },
    node: { entrypoint: [], cmd: ["node"] },
    pause: { entrypoint: ["sh", "-c", "trap 'exit 0' TERM INT; while :; do sleep 3600 & wait $!; done"], cmd: [] },
    python: { entrypoint: [], cmd: ["python3"] },
    ubuntu: { entrypoint: [], cmd: ["bash"] },
  };
const hubPrefix = /^(?:docker\.io\/)?(?:library\/)?[^/]+$|^registry\.k8s\.io\/pause(?::|@|$)/;

/** @param registryPath `images.json` of the cluster */
export function createImages(registryPath: string): Images {
  return {
    find(name) {
      return findImage(registryPath, name);
    },
    explain(name) {
      return (
        `image "${name}" names no program of this machine, and nothing is downloaded. ${knownImages(registryPath)}. Give its ` +
        `program to "wherry up PATH", or map the name in wherry.yaml (images: { "${imageBaseName(name)}": { folder: ./…, command: […] } })`
      );
    },
  };
}

/** What a mistyped name may have meant. */
function knownImages(registryPath: string): string {
  const names = Object.keys(readImageRegistry(registryPath).images);
  const more = names.length - daemonLimits.imagesNamed;
  const registered = [...names.slice(0, daemonLimits.imagesNamed), ...(more > 0 ? [`${more} more`] : [])].join(", ");
  const tools = `${Object.keys(wellKnown).join(", ")} (this machine's own tools)`;
  return `There are: ${registered === "" ? "" : `${registered} (by "wherry up"), `}${tools}`;
}

async function findImage(registryPath: string, name: string): Promise<Image | undefined> {
  const registry = readImageRegistry(registryPath);
  const registered = Object.hasOwn(registry.images, name) ? registry.images[name] : undefined;
  if (registered !== undefined) return { name, ...registered };
  for (const root of registry.roots) {
    if (!existsSync(root)) continue;
    const found = await findInProject(root, name, imageBaseName(name));
    if (found !== undefined) return { name, ...found };
  }
  const base = imageBaseName(name);
  const known = hubPrefix.test(name) && Object.hasOwn(wellKnown, base) ? wellKnown[base] : undefined;
  return known === undefined ? undefined : { name, ...known, workingDir: "", env: nodeEnv(base) };
}

/** `node` is the Node that runs Wherry: the machine's own may be older, or missing. */
function nodeEnv(base: string): Record<string, string> {
  return base === "node" ? { PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? "/usr/bin:/bin"}` } : {};
}
