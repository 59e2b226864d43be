// The circuit breaker of one method: when most of its calls fail for the infrastructure, more of them fail at once instead of
// waiting for their deadline, until a probe is answered. Off unless asked for: a client that waits loses less.
import { ServiceError } from "../errors.ts";
import { breakerCallsMin, breakerFailureShare, breakerOpenMs, breakerWindowMs } from "../limits.ts";
import type { BreakerOptions, CircuitState } from "./types.ts";

/** Codes that say nothing about the method, and all about the way to it. */
const infrastructure = new Set(["ABORTED", "DEADLINE_EXCEEDED", "UNAVAILABLE"]);

/** True for a failure of the way to the method; an error that the method answered is none, whatever its code. */
function isInfrastructure(error: ServiceError): boolean {
  return error.fate !== "answered" && infrastructure.has(error.code);
}

/** A `probe` is the one call whose end decides. */
export type Admission = "usual" | "probe";

/** The window moves in this many steps. */
const steps = 10;

export class Breaker {
  readonly #options: Required<BreakerOptions>;
  #state: CircuitState = "closed";
  #openUntilMs = 0;
  /** A probe is on its way. */
  #probing = false;
  readonly #calls: number[] = new Array<number>(steps).fill(0);
  readonly #failures: number[] = new Array<number>(steps).fill(0);
  #step = 0;

  constructor(options: BreakerOptions) {
    this.#options = {
      failureShare: options.failureShare ?? breakerFailureShare,
      callsMin: options.callsMin ?? breakerCallsMin,
      windowMs: options.windowMs ?? breakerWindowMs,
      openMs: options.openMs ?? breakerOpenMs,
    };
  }

  get state(): CircuitState {
    return this.#state;
  }

  /** @returns why the call may not be made, or what `ended` must be told with its end. */
  admit(method: string, nowMs: number): Admission | ServiceError {
    if (this.#state === "closed") return "usual";
    if (nowMs >= this.#openUntilMs && !this.#probing) {
      this.#state = "half-open";
      this.#probing = true;
      return "probe";
    }
    const retryAfterMs = Math.max(1, Math.ceil(this.#openUntilMs - nowMs));
    const message =
      `most calls of ${method} failed lately, so this one was not tried; ` +
      (this.#probing ? "one call is being tried" : `the next is tried in ${retryAfterMs} ms`);
    return new ServiceError("CIRCUIT_OPEN", message, { retryable: true, fate: "not-started", retryAfterMs });
  }

  /** @param error undefined for a result. */
  ended(admission: Admission, error: ServiceError | undefined, nowMs: number): void {
    const failed = error !== undefined && isInfrastructure(error);
    if (admission === "probe") {
      this.#probing = false;
      // A call that its caller cancelled says nothing; the next one is the probe.
      if (failed) this.#open(nowMs);
      else if (error === undefined || error.fate === "answered") this.#close();
    } else if (this.#state === "closed") this.#count(failed, nowMs);
  }

  #count(failed: boolean, nowMs: number): void {
    this.#moveTo(Math.floor((nowMs * steps) / this.#options.windowMs));
    const at = this.#step % steps;
    this.#calls[at] = (this.#calls[at] ?? 0) + 1;
    if (!failed) return;
    this.#failures[at] = (this.#failures[at] ?? 0) + 1;
    const [calls, failures] = [sum(this.#calls), sum(this.#failures)];
    if (calls >= this.#options.callsMin && failures >= calls * this.#options.failureShare) this.#open(nowMs);
  }

  #moveTo(step: number): void {
    for (let passed = 0; this.#step < step && passed < steps; passed++) {
      this.#step++;
      this.#calls[this.#step % steps] = this.#failures[this.#step % steps] = 0;
    }
    this.#step = step;
  }

  #open(nowMs: number): void {
    this.#state = "open";
    this.#openUntilMs = nowMs + this.#options.openMs;
  }

  #close(): void {
    this.#state = "closed";
    this.#calls.fill(0);
    this.#failures.fill(0);
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
