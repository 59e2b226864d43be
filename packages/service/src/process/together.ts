// The services of one process as one: they become ready together, drain together, and end together. One service alone is the same.
import type { Ending } from "../server/hand-back.ts";
import type { HealthState } from "../server/health.ts";
import type { Server } from "../server/server.ts";

/** From the worst to the best: what the whole is. */
const severity: readonly HealthState[] = ["stuck", "starting", "draining", "overloaded", "ready"];

export class Together {
  readonly servers: readonly Server[];
  /** When all have ended: the worst reason, and all that was handed back. Never rejects. */
  readonly ended: Promise<Ending>;

  constructor(servers: readonly Server[]) {
    this.servers = servers;
    this.ended = Promise.all(servers.map((server) => server.ended)).then(combined);
  }

  get healthState(): HealthState {
    const states = new Set(this.servers.map(({ healthState }) => healthState));
    return severity.find((state) => states.has(state)) ?? "starting";
  }

  get isOver(): boolean {
    return this.servers.every(({ state }) => state === "ended");
  }

  get queued(): number {
    return this.servers.reduce((sum, { executor }) => sum + executor.queued, 0);
  }

  get running(): number {
    return this.servers.reduce((sum, { executor }) => sum + executor.running, 0);
  }

  get drainMs(): number {
    return Math.max(...this.servers.map(({ drainMs }) => drainMs));
  }

  drain(options: Parameters<Server["drain"]>[0]): void {
    for (const server of this.servers) void server.drain(options);
  }

  /** Nobody knows whose bug it is: the first that has not ended crashes, and takes the others with it (see `close`). */
  crash(error: unknown): void {
    this.servers.find(({ state }) => state !== "ended")?.crash(error);
  }

  /** Ends those that have not: one of them had a bug, and the process goes. */
  close(): void {
    for (const server of this.servers) void server.close();
  }
}

const reasons: readonly Ending["reason"][] = ["crashed", "deadline", "drained", "closed"];

function combined(endings: readonly Ending[]): Ending {
  const sum = (count: (ending: Ending) => number): number =>
    endings.reduce((total, ending) => total + count(ending), 0);
  const worst = reasons.find((reason) => endings.some((ending) => ending.reason === reason)) ?? "closed";
  return {
    reason: worst,
    refused: sum(({ refused }) => refused),
    aborted: sum(({ aborted }) => aborted),
    rawDropped: sum(({ rawDropped }) => rawDropped),
  };
}
