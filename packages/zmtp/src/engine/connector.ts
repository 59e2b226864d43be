// Keeps one endpoint connected: dials, and after a failure or a loss dials again with exponential backoff and full jitter
// (the delay is anywhere between 0 and the doubling ceiling, so that clients of a restarted server don't come in step).
import { connect, type Socket as NetSocket } from "node:net";
import type { Clock, Random, Timer } from "@wherry/core";
import type { Endpoint } from "../endpoint.ts";
import { limits } from "../limits.ts";
import type { Connection } from "./connection.ts";

export interface ConnectorHooks {
  readonly clock: Clock;
  readonly random: Random;
  readonly reconnectFirstMs: number;
  readonly reconnectMaxMs: number;
  /** Makes the connection for a socket that is connecting. */
  makeConnection(socket: NetSocket, endpoint: string): Connection;
  onRetry(endpoint: string, retryInMs: number, detail: string): void;
}

export class Connector {
  readonly endpoint: string;
  connection: Connection | undefined;
  readonly #target: Endpoint;
  readonly #hooks: ConnectorHooks;
  #failures = 0;
  #readyAtMs: number | undefined;
  #retry: Timer | undefined;
  #stopped = false;

  constructor(endpoint: string, target: Endpoint, hooks: ConnectorHooks) {
    this.endpoint = endpoint;
    this.#target = target;
    this.#hooks = hooks;
  }

  start(): void {
    const socket = dial(this.#target);
    const connection = this.#hooks.makeConnection(socket, this.endpoint);
    this.connection = connection;
    socket.once("connect", () => connection.open());
  }

  /** No further dialling; a connection that stands is left to the caller. */
  stop(): void {
    this.#stopped = true;
    this.#retry?.cancel();
  }

  onReady(): void {
    this.#readyAtMs = this.#hooks.clock.monotonic();
  }

  /** Its connection has ended. @returns false when it will not dial again. */
  onGone(detail: string): boolean {
    const staysAway = this.connection?.staysAway === true;
    this.connection = undefined;
    if (this.#stopped || staysAway) return false;
    const { clock, random, reconnectFirstMs, reconnectMaxMs } = this.#hooks;
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

function dial(target: Endpoint): NetSocket {
  if (target.transport === "ipc") return connect({ path: target.path, allowHalfOpen: true });
  return connect({
    host: target.host ?? "127.0.0.1",
    port: target.port,
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: limits.keepAliveDelayMs,
  });
}
