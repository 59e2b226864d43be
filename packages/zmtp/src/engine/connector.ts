// Keeps one endpoint connected: dials, and after a failure or a loss dials again with exponential backoff and full jitter
// (the delay is anywhere between 0 and the doubling ceiling, so that clients of a restarted server don't come in step).
import type { Clock, Random, Timer } from "@wherry/core";
import type { DropReason } from "../types.ts";
import type { ConnectionEnd } from "./owner.ts";
import type { Link } from "./link.ts";

export interface ConnectorHooks {
  readonly clock: Clock;
  readonly random: Random;
  readonly reconnectFirstMs: number;
  readonly reconnectMaxMs: number;
  /** Attempts in a row without a connection, after which it gives up. */
  readonly reconnectAttemptsMax: number;
  readonly reconnectStopOn: readonly DropReason[];
  /** Starts a connection to the endpoint. */
  dial(): Link;
  onRetry(endpoint: string, retryInMs: number, detail: string): void;
  onGiveUp(endpoint: string, attempts: number, detail: string): void;
}

export class Connector {
  readonly endpoint: string;
  connection: Link | undefined;
  /** Called once, when it will not dial any more. */
  onStopped: () => void = () => undefined;
  readonly #hooks: ConnectorHooks;
  #failures = 0;
  #attempts = 0;
  #readyAtMs: number | undefined;
  #retry: Timer | undefined;
  #stopped = false;

  constructor(endpoint: string, hooks: ConnectorHooks) {
    this.endpoint = endpoint;
    this.#hooks = hooks;
  }

  start(): void {
    this.#attempts++;
    this.connection = this.#hooks.dial();
  }

  /** No further dialling; a connection that stands is left to the caller. */
  stop(): void {
    this.#stopped = true;
    this.#retry?.cancel();
    this.onStopped();
  }

  onReady(): void {
    this.#readyAtMs = this.#hooks.clock.monotonic();
    this.#attempts = 0;
  }

  /** Its connection has ended. @returns false when it will not dial again. */
  onGone({ reason, detail }: ConnectionEnd): boolean {
    const staysAway = this.connection?.staysAway === true;
    this.connection = undefined;
    if (staysAway) this.stop();
    if (this.#stopped) return false;
    const { clock, random, reconnectFirstMs, reconnectMaxMs } = this.#hooks;
    if (this.#attempts >= this.#hooks.reconnectAttemptsMax || this.#hooks.reconnectStopOn.includes(reason)) {
      this.stop();
      this.#hooks.onGiveUp(this.endpoint, this.#attempts, detail);
      return false;
    }
    let ceilingMs = Math.min(reconnectMaxMs, reconnectFirstMs * 2 ** this.#failures);
    // A connection that outlived the delay before it was a good one; a server that hangs up at once is not dialled faster.
    if (this.#readyAtMs !== undefined && clock.monotonic() - this.#readyAtMs >= ceilingMs) {
      this.#failures = 0;
      ceilingMs = reconnectFirstMs;
    }
    this.#readyAtMs = undefined;
    this.#failures = Math.min(this.#failures + 1, 30);
    const retryInMs = Math.max(1, Math.round(random.next() * ceilingMs));
    this.#retry = clock.timer(retryInMs, () => this.start());
    this.#hooks.onRetry(this.endpoint, retryInMs, detail);
    return true;
  }
}
