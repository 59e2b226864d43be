// What an image name means here: a program, not a download. (DESIGN: `image: echo:dev` names a program.)

/** What a container of this image runs when the pod's spec says nothing else. */
export interface Image {
  /** As the pod's spec names it. */
  readonly name: string;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly workingDir: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Finds images. The answer may change while the daemon runs: `wherry up PATH` adds some. */
export interface Images {
  /** Undefined: nobody knows the image; `explain` says what to add. */
  find(name: string): Promise<Image | undefined>;
  explain(name: string): string;
}
