// The file through which `wherry up` tells the daemon of images: exact names with a command, and folders to look in.
// Written by the command line, read by the daemon at each look-up, so that an answer is never older than the last `up`.
import { daemonLimits } from "../limits.ts";
import { readStateFile, writeFileAtomic } from "../state.ts";

export interface RegisteredImage {
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly workingDir: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface ImageRegistry {
  /** By the name that pods use: `echo:dev`. */
  readonly images: Readonly<Record<string, RegisteredImage>>;
  /** Project folders, newest first: searched for wherry.yaml, workspace packages and Dockerfiles. */
  readonly roots: readonly string[];
}

const empty: ImageRegistry = { images: {}, roots: [] };

/** A damaged file counts as empty: the next `up` writes it anew. */
export function readImageRegistry(path: string): ImageRegistry {
  const text = readStateFile(path);
  if (text === undefined) return empty;
  try {
    const read = JSON.parse(text) as Partial<ImageRegistry>;
    return { images: { ...read.images }, roots: Array.isArray(read.roots) ? read.roots : [] };
  } catch {
    return empty;
  }
}

/** Adds to what is registered; a name that is there already gets the new command. */
export function registerImages(path: string, added: ImageRegistry): void {
  const before = readImageRegistry(path);
  const roots = [...new Set([...added.roots, ...before.roots])].slice(0, daemonLimits.imageRootsMax);
  writeFileAtomic(path, `${JSON.stringify({ images: { ...before.images, ...added.images }, roots }, null, 2)}\n`);
}
