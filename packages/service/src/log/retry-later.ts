// What an aggregator says that is overloaded: not now, and when.
export class RetryLater extends Error {
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs: number) {
    super(message);
    this.name = "RetryLater";
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * Milliseconds of a header `Retry-After` (RFC 9110, 10.2.3): seconds, or a date, which counts from the answer's own: clocks differ.
 * @returns undefined for what is neither.
 */
export function retryAfterMs(value: string | undefined, date: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,10}$/.test(value)) return Number(value) * 1000;
  const ms = Date.parse(value) - Date.parse(date ?? "");
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
