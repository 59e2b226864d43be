// Wherry's version, from this package's manifest: two folders up from the sources, and from what is published.
import { readFileSync } from "node:fs";

const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

export const wherryVersion: string = manifest.version;
