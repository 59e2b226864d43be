// W3C Trace Context (https://www.w3.org/TR/trace-context/): which call belongs to which. Every call has a trace, with or without a
// tracing library: ids are made here, and travel in the request's header. Nothing is recorded here.
import type { Random } from "@wherry/core";
import { textBytesMax } from "../limits.ts";

/** A place in a trace. */
export interface TraceParent {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** Two hexadecimal digits; `01`: somebody may have recorded it. */
  readonly flags: string;
}

const form = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/;

/** Undefined for what is no `traceparent`: then a new trace begins, as the specification wants it. */
export function parseTraceParent(text: string): TraceParent | undefined {
  const [, traceId = "", spanId = "", flags = ""] = form.exec(text) ?? [];
  return traceId === "" ? undefined : { traceId, spanId, flags };
}

export function formatTraceParent({ traceId, spanId, flags }: TraceParent): string {
  return `00-${traceId}-${spanId}-${flags}`;
}

/**
 * A `tracestate` that fits a header's text: whole entries, the last ones dropped first, those of more than 128 characters before them
 * (https://www.w3.org/TR/trace-context/#tracestate-limits).
 */
export function fittingTraceState(state: string): string {
  if (Buffer.byteLength(state) <= textBytesMax) return state;
  let entries = state.split(",");
  if (entries.length > 1) entries = entries.filter((entry) => entry.length <= 128);
  while (entries.length > 0 && Buffer.byteLength(entries.join(",")) > textBytesMax) entries.pop();
  return entries.join(",");
}

const poolBytes = 4096;

/** Makes ids. They need to be unique, not secret: random digits are made many at once, and each used once. */
export class TraceIds {
  readonly #random: Random;
  #digits = "";
  #at = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** `traceparent` of a call that belongs to no other. */
  root(): string {
    const digits = this.#next(48);
    // Marked as recorded: whoever down the line records traces then records this one, as a whole.
    return `00-${digits.slice(0, 32)}-${digits.slice(32)}-01`;
  }

  /** `traceparent` of what a call with this one leads to: a new place in the same trace, or a new trace if there is none. */
  childOf(traceparent: string): string {
    const parent = parseTraceParent(traceparent);
    return parent === undefined ? this.root() : formatTraceParent({ ...parent, spanId: this.#next(16) });
  }

  #next(count: number): string {
    if (this.#at + count > this.#digits.length) {
      this.#digits = Buffer.from(this.#random.bytes(poolBytes)).toString("hex");
      this.#at = 0;
    }
    this.#at += count;
    return this.#digits.slice(this.#at - count, this.#at);
  }
}
