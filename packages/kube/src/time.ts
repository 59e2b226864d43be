// Kubernetes' two texts for points in time, and how long ago reads in a table. Takes moments as milliseconds since 1970;
// never asks what time it is.

/** `metav1.Time`: RFC 3339, whole seconds, UTC. */
export const timeText = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** `metav1.MicroTime`: RFC 3339 with six decimals, UTC. */
export const microTimeText = (ms: number): string => {
  const micros = Math.round((ms - Math.floor(ms)) * 1000);
  return `${new Date(Math.floor(ms)).toISOString().slice(0, 23)}${String(Math.min(micros, 999)).padStart(3, "0")}Z`;
};

/** Milliseconds since 1970, or undefined for an absent or unreadable time. */
export function timeOf(text: unknown): number | undefined {
  if (typeof text !== "string") return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;
const year = 365 * day;

const pair = (ms: number, unit: number, name: string, sub: number, subName: string): string => {
  const rest = Math.floor((ms % unit) / sub);
  return `${Math.floor(ms / unit)}${name}${rest === 0 ? "" : `${rest}${subName}`}`;
};

/** `45s`, `3m20s`, `47m`, `5h3m`, `30h`, `4d2h`, `90d`, `3y40d`, `9y` (apimachinery: duration.HumanDuration). */
export function humanDuration(ms: number): string {
  if (ms < -1 * second) return "<invalid>";
  if (ms < 0) return "0s";
  if (ms < 2 * minute) return `${Math.floor(ms / second)}s`;
  if (ms < 10 * minute) return pair(ms, minute, "m", second, "s");
  if (ms < 3 * hour) return `${Math.floor(ms / minute)}m`;
  if (ms < 8 * hour) return pair(ms, hour, "h", minute, "m");
  if (ms < 2 * day) return `${Math.floor(ms / hour)}h`;
  if (ms < 8 * day) return pair(ms, day, "d", hour, "h");
  if (ms < 2 * year) return `${Math.floor(ms / day)}d`;
  if (ms < 8 * year) return pair(ms, year, "y", day, "d");
  return `${Math.floor(ms / year)}y`;
}

/** The age of something with this timestamp; `<unknown>` without one. */
export function age(timestamp: unknown, nowMs: number): string {
  const ms = timeOf(timestamp);
  return ms === undefined ? "<unknown>" : humanDuration(nowMs - ms);
}
