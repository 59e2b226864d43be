// The CRI log format: `<RFC 3339 nano time> <stdout|stderr> <F|P> <content>`, one record a line; P marks a line that goes on in
// the next record. What Fluent Bit, Vector and Promtail read. Pure.
// https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md
import { logLineBytesMax } from "../limits.ts";

export type Stream = "stdout" | "stderr";

const newline = 0x0a;

/** Nanoseconds are beyond our clock; the field is as wide as readers expect. */
export function logTime(nowMs: number): string {
  return new Date(nowMs).toISOString().replace("Z", "000000Z");
}

/**
 * The complete lines of `data` as records. An incomplete rest is left for later (`used` says where it starts), unless `last`. Lines
 * longer than the limit are split.
 */
export function toRecords(
  data: Buffer,
  stream: Stream,
  time: string,
  last: boolean,
): { readonly records: Buffer; readonly used: number } {
  const parts: Buffer[] = [];
  const full = Buffer.from(`${time} ${stream} F `);
  const partial = Buffer.from(`${time} ${stream} P `);
  const end = Buffer.from("\n");
  let used = 0;
  while (used < data.length) {
    const found = data.indexOf(newline, used);
    const stop = found < 0 ? data.length : found;
    if (stop - used > logLineBytesMax) {
      parts.push(partial, data.subarray(used, used + logLineBytesMax), end);
      used += logLineBytesMax;
      continue;
    }
    if (found < 0 && !last) break;
    parts.push(full, data.subarray(used, stop), end);
    used = found < 0 ? data.length : found + 1;
  }
  return { records: Buffer.concat(parts), used };
}

export interface CriRecord {
  readonly time: string;
  readonly stream: Stream;
  readonly partial: boolean;
  readonly content: Buffer;
}

/** One line without its newline; undefined when it is no record. */
export function parseRecord(line: Buffer): CriRecord | undefined {
  const first = line.indexOf(0x20);
  const second = line.indexOf(0x20, first + 1);
  const third = line.indexOf(0x20, second + 1);
  if (first < 0 || second < 0 || third < 0) return undefined;
  const stream = line.toString("latin1", first + 1, second);
  if (stream !== "stdout" && stream !== "stderr") return undefined;
  const tag = line.toString("latin1", second + 1, third);
  return {
    time: line.toString("latin1", 0, first),
    stream,
    partial: tag.startsWith("P"),
    content: line.subarray(third + 1),
  };
}
