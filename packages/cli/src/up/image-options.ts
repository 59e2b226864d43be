// What `wherry manifest --image` says: one image for the one program, or one for each by its name. Pure.
import { nearest } from "@wherry/core";
import { usageError } from "../errors.ts";

/** Which image a program's Deployment names; undefined: the usual one, `NAME:dev`. */
export type ImageOf = (program: string) => string | undefined;

/** A registry with its port, a path in lower case, a tag, a digest. https://pkg.go.dev/github.com/distribution/reference */
const imageForm =
  /^(?:[a-zA-Z0-9.-]+(?::\d+)?\/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;

export class ImageOptions {
  /** For the one program, whatever it is called. */
  readonly #only: string | undefined;
  readonly #named: ReadonlyMap<string, string>;

  /** @param given as `IMAGE` or `NAME=IMAGE`. @throws CliError usage */
  constructor(given: readonly string[]) {
    const named = new Map<string, string>();
    let only: string | undefined;
    for (const text of given) {
      const at = text.indexOf("=");
      const [name, image] = at < 0 ? [undefined, text] : [text.slice(0, at), text.slice(at + 1)];
      if (!imageForm.test(image) || name === "")
        throw usageError(
          `--image takes an image's name, as ghcr.io/acme/shop:1.4.0, or shop=ghcr.io/acme/shop:1.4.0 of one program of several, not ${JSON.stringify(text)}`,
        );
      if (name === undefined ? only !== undefined : named.has(name))
        throw usageError(
          name === undefined
            ? `--image is given twice, as ${String(only)} and ${image}: of several programs say which, as --image NAME=${image}`
            : `--image names two images for ${name}: ${named.get(name) ?? ""} and ${image}`,
        );
      if (name === undefined) only = image;
      else named.set(name, image);
    }
    if (only !== undefined && named.size > 0)
      throw usageError(
        `--image ${only} is for the only program, and --image ${[...named.keys()].join("=…, ")}=… for one of several: say NAME=${only} for the other one`,
      );
    this.#only = only;
    this.#named = named;
  }

  readonly of: ImageOf = (program) => this.#only ?? this.#named.get(program);

  /** @param programs names of those that there are. @throws CliError usage, when an image would be nobody's, or that of two programs */
  check(programs: readonly string[]): void {
    if (this.#only !== undefined && programs.length > 1)
      throw usageError(
        `--image ${this.#only} is the image of one program, and there are ${programs.length}: name the image of each, as ${programs.map((name) => `--image ${name}=IMAGE`).join(" ")}`,
      );
    if (programs.length === 0 && (this.#only !== undefined || this.#named.size > 0))
      throw usageError("--image is for services given as a file or package: manifests name their images themselves");
    for (const name of this.#named.keys())
      if (!programs.includes(name))
        throw usageError(
          `--image ${name}=…: there is no program "${name}"${nearest(name, programs) || "."} There are: ${programs.join(", ")}`,
        );
    const owners = new Map<string, string>();
    for (const [name, image] of this.#named) {
      const other = owners.get(image);
      if (other !== undefined)
        throw usageError(
          `--image gives ${image} to ${other} and to ${name}, and an image runs one program: each has its own`,
        );
      owners.set(image, name);
    }
  }
}
