// How a client shows who it is. Secrets stay in here: they are never part of an error or a log record.
import { readFile } from "node:fs/promises";
import { asError, type Clock, WherryError } from "@wherry/core";
import { tokenReadIntervalMs } from "./limits.ts";

/** The `authorization` header's value for the next request; undefined: none. */
export type Authorization = () => Promise<string | undefined>;

export interface TokenOptions {
  readonly token?: string;
  /** Read again from time to time, because whoever mounts it renews it. Wins over `token`. */
  readonly tokenFile?: string;
  readonly clock: Clock;
}

export function authorizationOf({ token, tokenFile, clock }: TokenOptions): Authorization {
  if (tokenFile !== undefined) return new TokenFile(tokenFile, clock).authorization;
  const value = token === undefined ? undefined : `Bearer ${checked(token.trim(), "the token")}`;
  return () => Promise.resolve(value);
}

class TokenFile {
  readonly #path: string;
  readonly #clock: Clock;
  #value: string | undefined;
  #readAtMs = 0;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  readonly authorization = async (): Promise<string> => {
    const nowMs = this.#clock.monotonic();
    if (this.#value !== undefined && nowMs - this.#readAtMs < tokenReadIntervalMs) return this.#value;
    try {
      const token = (await readFile(this.#path, "utf8")).trim();
      this.#value = `Bearer ${checked(token, this.#path)}`;
      this.#readAtMs = nowMs;
    } catch (error) {
      // It may be in the middle of being renewed: the one that was read before still works.
      if (this.#value !== undefined) return this.#value;
      if (WherryError.is(error)) throw error;
      throw new WherryError(`expected a token in ${this.#path}, got: ${asError(error).message}`, {
        code: "KUBE_TOKEN_UNREADABLE",
        cause: error,
      });
    }
    return this.#value;
  };
}

/** A token is one word of visible ASCII; anything else could smuggle in another header. */
function checked(token: string, source: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new WherryError(`expected a bearer token in ${source}: one word of ASCII, without spaces or line ends`, {
    code: "KUBE_TOKEN_INVALID",
  });
}
