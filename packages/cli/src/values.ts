// Reads the values of options. Each refusal says what was expected and what came.
import { usageError } from "./errors.ts";

/** `500ms`, `2s`, `1.5m`, `1h`; a bare number is seconds. @returns milliseconds */
export function duration(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text.trim());
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
  const milliseconds = match === null ? NaN : Number(match[1]) * (units[match[2] ?? "s"] ?? NaN);
  if (!Number.isFinite(milliseconds) || milliseconds <= 0 || milliseconds > 86_400_000)
    throw usageError(`${option} takes a time from 1ms to 24h, as 500ms, 10s or 2m, not ${JSON.stringify(text)}`);
  return milliseconds;
}

export function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!(value >= min && value <= max))
    throw usageError(`${option} takes a whole number from ${min} to ${max}, not ${JSON.stringify(text)}`);
  return value;
}
