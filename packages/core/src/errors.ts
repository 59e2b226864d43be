// Errors as data: a stable code, whether trying again can help, and a message that says what was expected, what came and
// what to do. A caller matches on `code`, never on the message.

const brand = Symbol.for("wherry.error");

export interface WherryErrorOptions {
  /** Stable, upper case with underscores, unique in the project: `ZMTP_FRAME_TOO_LARGE`. */
  readonly code: string;
  /** Can the same call succeed later, unchanged? Default false. */
  readonly retryable?: boolean;
  /** Machine-readable facts, safe to log: never secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

export class WherryError extends Error {
  readonly code: string;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(message: string, options: WherryErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = options.code;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
    Object.defineProperty(this, brand, { value: true });
  }

  /** True for an error of any copy of this package, with this code if one is given. */
  static is(error: unknown, code?: string): error is WherryError {
    if (!(error instanceof Error) || !(brand in error)) return false;
    return code === undefined || (error as Error & { code?: unknown }).code === code;
  }
}

/** The error itself, or an `Error` that says what was thrown instead. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(`thrown: ${textOf(thrown)}`, { cause: thrown });
}

/** An object without a prototype, or with a `toString` that throws, has no text. */
function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return "an object that has no text";
  }
}

/** Throws when an invariant of the program does not hold: a bug, never bad input. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new WherryError(`invariant broken: ${message}`, { code: "INVARIANT_BROKEN" });
}
