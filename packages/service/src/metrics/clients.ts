// What this process's own clients have done, by the service that they call, as part of `/metrics`. Nothing where there is no client.
import { clientsByTarget, type ClientTotals } from "../client/open-clients.ts";
import type { ClientCounters } from "../client/types.ts";
import { MetricsText } from "./text.ts";

const counters: readonly [keyof ClientTotals, string, string][] = [
  ["retries", "wherry_client_retries_total", "Attempts that followed a failed one."],
  ["hedges", "wherry_client_hedges_total", "Attempts made while another one was out."],
  ["hedgesWon", "wherry_client_hedges_won_total", "Those of them whose answer came first."],
  ["attemptTimeouts", "wherry_client_attempt_timeouts_total", "Attempts given up before their call's deadline."],
  ["fallbacks", "wherry_client_fallbacks_total", "Failed calls that resolved to a fallback."],
  ["rejected", "wherry_client_rejected_total", "Failed calls that an open circuit kept from being tried."],
  ["ejections", "wherry_client_ejections_total", "Times that a pod was avoided because its calls failed."],
];

const endpointStates = ["known", "endpoints", "available", "ejected"] as const;

export function clientMetrics(): string {
  const targets = [...clientsByTarget()];
  const text = new MetricsText();
  if (targets.length === 0) return "";
  text.head("wherry_client_calls_total", "counter", "Calls that ended, by the service called and by outcome.");
  for (const [target, { totals }] of targets)
    for (const outcome of ["succeeded", "failed"] as const)
      text.line("wherry_client_calls_total", { target, outcome }, totals[outcome]);
  for (const [field, name, help] of counters) {
    text.head(name, "counter", help);
    for (const [target, { totals }] of targets) text.line(name, { target }, totals[field]);
  }
  const live = targets.filter(([, { open }]) => open.length > 0);
  text.head("wherry_client_calls_in_flight", "gauge", "Calls that have not ended.");
  for (const [target, { open }] of live)
    text.line(
      "wherry_client_calls_in_flight",
      { target },
      sum(open, ({ calls, succeeded, failed }) => calls - succeeded - failed),
    );
  text.head("wherry_client_calls_waiting", "gauge", "Those of them that wait for a pod with room.");
  for (const [target, { open }] of live)
    text.line(
      "wherry_client_calls_waiting",
      { target },
      sum(open, ({ waiting }) => waiting),
    );
  endpointMetrics(text, live);
  circuitMetrics(text, live);
  return text.toString();
}

type Live = readonly (readonly [string, { readonly open: readonly ClientCounters[] }])[];

function endpointMetrics(text: MetricsText, live: Live): void {
  const help = "Pods that are known, used by a client, available to it now, and avoided; summed over clients.";
  text.head("wherry_client_endpoints", "gauge", help);
  for (const [target, { open }] of live)
    for (const field of endpointStates) {
      const state = field === "endpoints" ? "used" : field;
      text.line(
        "wherry_client_endpoints",
        { target, state },
        sum(open, (one) => one[field]),
      );
    }
}

function circuitMetrics(text: MetricsText, live: Live): void {
  const circuits = live.flatMap(([target, { open }]) =>
    [...openCircuits(open)].map((entry) => [target, ...entry] as const),
  );
  if (circuits.length === 0) return;
  text.head("wherry_client_circuits_open", "gauge", "Circuits of a method that are open or half-open, over clients.");
  for (const [target, method, count] of circuits) text.line("wherry_client_circuits_open", { target, method }, count);
}

/** By method, where there are breakers. */
function openCircuits(clients: readonly ClientCounters[]): ReadonlyMap<string, number> {
  const byMethod = new Map<string, number>();
  for (const { circuits } of clients)
    for (const [method, state] of Object.entries(circuits))
      byMethod.set(method, (byMethod.get(method) ?? 0) + (state === "closed" ? 0 : 1));
  return byMethod;
}

const sum = (clients: readonly ClientCounters[], of: (counters: ClientCounters) => number): number =>
  clients.reduce((total, counters) => total + of(counters), 0);
