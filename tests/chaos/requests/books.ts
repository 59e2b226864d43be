// Holds what callers were told against what the service did. Pure: the books come as data.
import type { Episode, Executed, Leftovers, Severity, Told } from "./types.ts";

export interface Verdict {
  readonly calls: number;
  readonly answered: number;
  /** Failed with a definite error, by `kind CODE (fate)`. */
  readonly failed: ReadonlyMap<string, number>;
  /** Calls that nobody answered, or that failed where nothing may; durable ones that were stored and had no effect. */
  readonly lost: number;
  /** Keyed and durable calls whose effect happened twice, and plain ones that ran twice. */
  readonly twice: number;
  /** Answers or fates that were not true. */
  readonly untrue: number;
  /** One line for each of these, the first few. */
  readonly findings: readonly string[];
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly durable: DurableFigures;
}

interface DurableFigures {
  /** Stored, said the broker. */
  readonly accepted: number;
  /** Effects of them, and of those of which the broker could not say whether it stored them. */
  readonly effects: number;
  /** Executions that were begun and did not end: their pod died, and the message came again. */
  readonly cutShort: number;
  readonly dead: number;
  readonly drainMs: number;
}

const findingsMax = 20;

/** Codes that are an honest end of a call whose pod died. */
const deathCodes = new Set(["ABORTED"]);
/** And of one whose pod stood still, or that there was no room for. */
const stallCodes = new Set(["ABORTED", "DEADLINE_EXCEEDED", "UNAVAILABLE", "BUSY", "REFUSED", "CIRCUIT_OPEN"]);

/**
 * @param executed by call id
 * @param effects how often each key's effect was committed
 * @param leftovers of the durable calls, once all had time to be run
 */
export function audit(
  told: readonly Told[],
  executed: ReadonlyMap<string, Executed>,
  effects: ReadonlyMap<string, number>,
  episodes: readonly Episode[],
  leftovers: Leftovers,
): Verdict {
  const failed = new Map<string, number>();
  const findings: string[] = [];
  const counts = { answered: 0, lost: 0, twice: 0, untrue: 0 };
  const find = (what: "lost" | "twice" | "untrue", call: Told, text: string): void => {
    counts[what]++;
    if (findings.length < findingsMax) findings.push(`${what}: ${call.kind} ${call.id}: ${text}`);
  };
  const durable = { accepted: 0, effects: 0, cutShort: 0, dead: leftovers.dead.length, drainMs: leftovers.drainMs };
  const reasons = new Map(leftovers.dead.map(({ key, reason }) => [key, reason]));
  const whyNot = ({ id }: Told): string => reasons.get(id) ?? `${leftovers.queued} are queued still`;
  for (const call of told) {
    const { began, ended } = executed.get(call.id) ?? { began: 0, ended: 0 };
    const committed = call.kind === "keyed" || call.kind === "durable";
    const happened = committed ? (effects.get(call.id) ?? 0) : ended;
    if (committed ? happened > 1 : call.kind === "plain" && began > 1)
      find("twice", call, `it was begun ${began} times, and had its effect ${happened} times`);
    if (call.kind === "durable") sumUp(durable, call, happened, began - ended);
    if (call.outcome === "answered") {
      counts.answered++;
      if (happened === 0 && call.kind === "durable")
        find("lost", call, `it was stored, and had no effect: ${whyNot(call)}`);
      else if (happened === 0) find("untrue", call, "it was answered, but nothing was executed");
    } else if (call.outcome === "wrong-answer") find("untrue", call, "the answer was another call's");
    else if (call.outcome === "unsettled") find("lost", call, "nobody ever said what became of it");
    else {
      const name = `${call.kind} ${call.code ?? "?"} (${call.fate ?? "?"})`;
      failed.set(name, (failed.get(name) ?? 0) + 1);
      if (call.fate === "not-started" && began > 0) find("untrue", call, "it was told as not started, but was begun");
      if (!mayFail(call, severityOf(call, episodes)))
        find("lost", call, `${call.code ?? "?"} (${call.fate ?? "?"}): ${call.message ?? ""}`);
    }
  }
  return { calls: told.length, ...counts, failed, findings, latencyMs: latencies(told), durable };
}

function sumUp(
  sum: { accepted: number; effects: number; cutShort: number },
  { outcome }: Told,
  effects: number,
  cutShort: number,
): void {
  if (outcome === "answered") sum.accepted++;
  sum.effects += effects;
  sum.cutShort += cutShort;
}

/** The worst that happened while the call was under way. */
function severityOf({ atMs, ms }: Told, episodes: readonly Episode[]): Severity {
  const severities = episodes
    .filter(({ fromMs, toMs }) => fromMs <= atMs + ms && toMs >= atMs)
    .map(({ severity }) => severity);
  return severities.includes("stall") ? "stall" : severities.includes("death") ? "death" : "planned";
}

function mayFail({ kind, code = "", fate }: Told, severity: Severity): boolean {
  if (severity === "planned") return false;
  if (severity === "death") return kind === "plain" && fate === "maybe-executed" && deathCodes.has(code);
  return stallCodes.has(code);
}

function latencies(told: readonly Told[]): Verdict["latencyMs"] {
  const sorted = told.filter(({ outcome }) => outcome === "answered").map(({ ms }) => ms);
  sorted.sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** Was anything lost, done twice, or told wrongly? */
export function isClean(verdict: Verdict): boolean {
  return verdict.lost === 0 && verdict.twice === 0 && verdict.untrue === 0 && verdict.calls > 0;
}

/** `1 234 calls, 1 230 answered, 4 failed definitely (…), 0 lost, …` */
export function summary(verdict: Verdict): string {
  const { calls, answered, failed, lost, twice, untrue, latencyMs, durable } = verdict;
  const total = [...failed.values()].reduce((sum, count) => sum + count, 0);
  const kinds = [...failed].map(([name, count]) => `${count} ${name}`).join(", ");
  return (
    `${calls} calls, ${answered} answered, ${total} failed with a definite error${kinds === "" ? "" : `: ${kinds}`}; ` +
    `${lost} lost, ${twice} executed twice, ${untrue} told wrongly; p50 ${latencyMs.p50.toFixed(1)} ms, p99 ${latencyMs.p99.toFixed(0)} ms; ` +
    `durable: ${durable.accepted} stored, ${durable.effects} took effect, ${durable.cutShort} cut short and run again, ` +
    `${durable.dead} dead, drained in ${(durable.drainMs / 1000).toFixed(1)} s`
  );
}
