// The clients of this process, for `/metrics`: those that are open, and what closed ones have counted, so that a counter never goes back.
// It holds numbers and closures; it never touches a call.
import { metricSeriesMax } from "../limits.ts";
import { overflowLabel } from "../metrics/text.ts";
import type { ClientCounters } from "./types.ts";

interface OpenClient {
  /** The service that it calls. */
  readonly target: string;
  readonly counters: () => ClientCounters;
}

/** What of a client's counters only grows. */
type Growing =
  | ("calls" | "succeeded" | "failed" | "retries" | "hedges" | "hedgesWon")
  | ("attemptTimeouts" | "fallbacks" | "rejected" | "ejections");
const growing: readonly Growing[] = [
  ...(["calls", "succeeded", "failed", "retries", "hedges", "hedgesWon"] as const),
  ...(["attemptTimeouts", "fallbacks", "rejected", "ejections"] as const),
];

export type ClientTotals = Readonly<Record<Growing, number>>;

const open = new Set<OpenClient>();
const closed = new Map<string, ClientTotals>();

/** @returns what to call when the client is closed; once or more often. */
export function trackClient(target: string, counters: () => ClientCounters): () => void {
  const client = { target, counters };
  open.add(client);
  return () => {
    if (!open.delete(client)) return;
    const known = closed.has(target) || closed.size < metricSeriesMax ? target : overflowLabel;
    closed.set(known, added(closed.get(known), counters()));
  };
}

export interface TargetCounters {
  readonly totals: ClientTotals;
  /** Of the clients that are open. */
  readonly open: readonly ClientCounters[];
}

/** By the service that is called. */
export function clientsByTarget(): ReadonlyMap<string, TargetCounters> {
  const byTarget = new Map<string, { totals: ClientTotals; open: ClientCounters[] }>();
  for (const [target, totals] of closed) byTarget.set(target, { totals, open: [] });
  for (const { target, counters } of open) {
    const now = counters();
    const before = byTarget.get(target);
    byTarget.set(target, { totals: added(before?.totals, now), open: [...(before?.open ?? []), now] });
  }
  return byTarget;
}

function added(before: ClientTotals | undefined, counters: ClientTotals): ClientTotals {
  const sum = growing.map((name) => [name, (before?.[name] ?? 0) + counters[name]]);
  return Object.fromEntries(sum) as ClientTotals;
}
