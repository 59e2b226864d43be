// What is measured of a way to store calls and run them later.
export interface Line {
  /** Can it deduplicate? */
  readonly keyed: boolean;
  /** Resolves when a body of 64 bytes is stored for good. */
  publish(key: string | undefined): Promise<unknown>;
  /** Hands out what is stored, so many at a time; each is acknowledged when `handle` has returned. @returns what stops it. */
  consume(atOnce: number, handle: () => void): Promise<() => Promise<unknown>>;
  close(): Promise<unknown>;
}

export const body: Buffer = Buffer.alloc(64, "x");
