// Asks the application whether a peer may come in: the place of ZAP (RFC 27). Whatever is not a clear yes within the time
// limit is a no. What a peer or the application's own error says of secrets is never passed on.
import { type Clock, nodeCrypto, type Timer, WherryError } from "@wherry/core";
import { optionInvalid } from "../errors.ts";
import { defaults } from "../limits.ts";

/** What a PLAIN client says of itself (RFC 24). */
export interface PlainCredentials {
  readonly mechanism: "PLAIN";
  /** The peer's end of the connection, as an endpoint. */
  readonly address: string;
  readonly username: string;
  readonly password: string;
  /** Empty: a PLAIN peer is judged before it tells its metadata. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Aborted when the connection ends or the time limit has passed. */
  readonly signal: AbortSignal;
}

/** What a CURVE client has proven (RFC 26). */
export interface CurveCredentials {
  readonly mechanism: "CURVE";
  /** The peer's end of the connection, as an endpoint. */
  readonly address: string;
  /** The client's long-term public key, of which it has proven to have the secret one: 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The same in Z85 (RFC 32): 40 characters. */
  readonly publicKeyText: string;
  /** What the client announces: `Socket-Type`, `Identity`, … */
  readonly metadata: ReadonlyMap<string, string>;
  /** Aborted when the connection ends or the time limit has passed. */
  readonly signal: AbortSignal;
}

/** Only `true`, or an object with a `userId`, lets the peer in. The id becomes `Peer.userId`. */
export type Verdict = boolean | { readonly userId: string };

/** Called once for each connection. Throwing, rejecting and not answering in time mean no. */
export type Authenticate<C = PlainCredentials | CurveCredentials> = (credentials: C) => Verdict | Promise<Verdict>;

/** What makes a server of PLAIN or CURVE. */
export interface AuthenticateOptions<C> {
  /** Who may come in. There is no default: without it nobody could. */
  readonly authenticate: Authenticate<C>;
  /** How long `authenticate` may take. Default 5 s. */
  readonly authenticateTimeoutMs?: number;
}

export type Answer =
  | { readonly userId: string; readonly refused?: undefined }
  /** Why not, for the log of this side. */
  | { readonly refused: string };

/** @throws WherryError `ZMTP_OPTION_INVALID` when there is no callback. */
export function requireAuthenticate<C>(options: AuthenticateOptions<C>, server: string): void {
  if (typeof (options as Partial<AuthenticateOptions<C>>).authenticate !== "function")
    throw optionInvalid(
      "authenticate",
      `a function that says who may come in (${server} admits nobody by itself)`,
      typeof options.authenticate,
    );
  const timeoutMs = options.authenticateTimeoutMs ?? defaults.authenticateTimeoutMs;
  if (!(timeoutMs > 0)) throw optionInvalid("authenticateTimeoutMs", "more than 0 ms", timeoutMs);
}

/** One question to the callback. */
export class Inquiry<C extends { readonly signal: AbortSignal }> {
  readonly #options: AuthenticateOptions<C>;
  readonly #clock: Clock;
  readonly #abort = new AbortController();
  #timer: Timer | undefined;
  #over = false;

  constructor(options: AuthenticateOptions<C>, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** @param done is called once, later, unless `stop` comes first. An answer that came at once is returned. */
  ask(credentials: Omit<C, "signal">, userId: string, done: (answer: Answer) => void): Answer | undefined {
    let verdict: Verdict | Promise<Verdict>;
    try {
      verdict = this.#options.authenticate({ ...credentials, signal: this.#abort.signal } as C);
    } catch (error) {
      return { refused: failed(error) };
    }
    if (!isThenable(verdict)) return answerOf(verdict, userId);
    const finish = (answer: Answer): void => {
      if (this.#over) return;
      this.stop();
      done(answer);
    };
    const timeoutMs = this.#options.authenticateTimeoutMs ?? defaults.authenticateTimeoutMs;
    this.#timer = this.#clock.timer(timeoutMs, () => finish({ refused: `no verdict within ${timeoutMs} ms` }));
    Promise.resolve(verdict).then(
      (value) => finish(answerOf(value, userId)),
      (error: unknown) => finish({ refused: failed(error) }),
    );
    return undefined;
  }

  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer?.cancel();
    this.#abort.abort();
  }
}

function isThenable(verdict: unknown): verdict is PromiseLike<unknown> {
  return typeof verdict === "object" && verdict !== null && "then" in verdict && typeof verdict.then === "function";
}

function answerOf(verdict: unknown, userId: string): Answer {
  if (verdict === true) return { userId };
  if (typeof verdict === "object" && verdict !== null && "userId" in verdict && typeof verdict.userId === "string")
    return { userId: verdict.userId };
  return { refused: "authenticate said no" };
}

/** The error's kind only: its message may hold what the peer sent. */
function failed(error: unknown): string {
  const kind = WherryError.is(error) ? error.code : error instanceof Error ? error.name : typeof error;
  return `authenticate failed (${kind})`;
}

/**
 * An `authenticate` for PLAIN that admits these users. How long it takes does not depend on what was right.
 * @example plainServer({ authenticate: allowUsers({ admin: process.env.ADMIN_PASSWORD ?? "" }) })
 * @throws WherryError `ZMTP_OPTION_INVALID` for an empty password
 */
export function allowUsers(users: Readonly<Record<string, string>>): Authenticate<PlainCredentials> {
  const known = Object.entries(users).map(([username, password]) => {
    if (password === "") throw optionInvalid("allowUsers", `a password for user ${username}`, "an empty one");
    return digest(username, password);
  });
  return ({ username, password }) => isAmong(digest(username, password), known);
}

/** Compares with each, so that the time taken tells nothing. All have the same length. */
export function isAmong(wanted: Uint8Array, known: readonly Uint8Array[]): boolean {
  const { timingSafeEqual } = nodeCrypto();
  let found = 0;
  for (const one of known) found |= Number(timingSafeEqual(one, wanted));
  return found === 1;
}

/** Of equal length whatever the credentials are, and unambiguous about where the name ends. */
function digest(username: string, password: string): Buffer {
  const { createHash } = nodeCrypto();
  return createHash("sha256")
    .update(createHash("sha256").update(username).digest())
    .update(createHash("sha256").update(password).digest())
    .digest();
}
