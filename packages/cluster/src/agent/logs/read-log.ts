// Reads a container's CRI log as `kubectl logs` shows it. It holds one piece of a file at a time, however long the log is.
import { open, stat } from "node:fs/promises";
import type { LogOptions } from "../../api/types.ts";
import { logFilesKept, logReadBytes } from "../limits.ts";
import { type CriRecord, parseRecord } from "./cri.ts";
import type { LogPump } from "./log-pump.ts";

export interface ReadLogInput {
  readonly file: string;
  /** The pump that still appends, for `follow`; undefined: the log is complete. */
  readonly pump: LogPump | undefined;
  readonly options: LogOptions;
  readonly nowMs: number;
}

export async function* readLog({ file, pump, options, nowMs }: ReadLogInput): AsyncGenerator<Uint8Array> {
  const sinceMs = sinceOf(options, nowMs);
  const budget = { bytes: options.limitBytes ?? Number.POSITIVE_INFINITY };
  const files = await existing(file);
  const skip =
    options.tailLines === undefined ? 0 : Math.max(0, (await countLines(files, sinceMs)) - options.tailLines);
  const show = printer({ ...options, sinceMs, skip });
  let offset = 0;
  for (const path of files) {
    offset = 0;
    for await (const { lines, next } of linesOf(path, 0)) {
      offset = next;
      const chunk = limited(Buffer.concat(lines.flatMap(show)), budget);
      if (chunk.length > 0) yield chunk;
      if (budget.bytes <= 0 || options.signal.aborted) return;
    }
  }
  if (!options.follow || pump === undefined) return;
  yield* follow(file, files.length === 0 ? 0 : offset, pump, options, show, budget);
}

async function* follow(
  file: string,
  from: number,
  pump: LogPump,
  options: LogOptions,
  show: (line: Buffer) => readonly Buffer[],
  budget: { bytes: number },
): AsyncGenerator<Uint8Array> {
  let offset = from;
  while (!options.signal.aborted) {
    // Asked before reading, so that what is appended meanwhile is noticed, and the end is the end.
    const changed = nextChange(pump, options.signal);
    const ended = pump.ended;
    try {
      if (((await stat(file).catch(() => undefined))?.size ?? offset) < offset) {
        // Rotated: what is left of the old file comes first.
        for await (const { lines } of linesOf(`${file}.1`, offset))
          yield limited(Buffer.concat(lines.flatMap(show)), budget);
        offset = 0;
      }
      for await (const { lines, next } of linesOf(file, offset)) {
        offset = next;
        const chunk = limited(Buffer.concat(lines.flatMap(show)), budget);
        if (chunk.length > 0) yield chunk;
        if (budget.bytes <= 0) return;
      }
      if (ended) return;
      await changed.promise;
    } finally {
      changed.cancel();
    }
  }
}

function nextChange(pump: LogPump, signal: AbortSignal): { readonly promise: Promise<void>; cancel(): void } {
  let cancel: () => void = () => undefined;
  const promise = new Promise<void>((resolve) => {
    const off = pump.onChange(resolve);
    const abort = (): void => resolve();
    signal.addEventListener("abort", abort, { once: true });
    cancel = () => {
      off();
      signal.removeEventListener("abort", abort);
    };
  });
  return { promise, cancel: () => cancel() };
}

/** Complete lines of a file from an offset on, in pieces; `next` is where the piece ends. */
async function* linesOf(
  path: string,
  from: number,
): AsyncGenerator<{ readonly lines: Buffer[]; readonly next: number }> {
  const source = await open(path, "r").catch(() => undefined);
  if (source === undefined) return;
  try {
    let offset = from;
    // Longer than the longest record, so that a piece always holds a whole line.
    const buffer = Buffer.allocUnsafe(logReadBytes);
    for (;;) {
      const { bytesRead } = await source.read(buffer, 0, buffer.length, offset);
      const end = buffer.subarray(0, bytesRead).lastIndexOf(0x0a);
      if (end < 0) return;
      offset += end + 1;
      yield { lines: split(Buffer.from(buffer.subarray(0, end))), next: offset };
    }
  } finally {
    await source.close();
  }
}

function split(data: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let start = 0;
  for (let end = data.indexOf(0x0a); end >= 0; end = data.indexOf(0x0a, start)) {
    lines.push(data.subarray(start, end));
    start = end + 1;
  }
  lines.push(data.subarray(start));
  return lines;
}

interface PrintOptions {
  readonly timestamps: boolean;
  readonly sinceMs: number;
  /** Whole lines to leave out first. */
  readonly skip: number;
}

const end = Buffer.from("\n");

function printer({ timestamps, sinceMs, skip }: PrintOptions): (line: Buffer) => readonly Buffer[] {
  let left = skip;
  let continues = false;
  return (line) => {
    const record = parseRecord(line);
    if (record === undefined || !isSince(record, sinceMs)) return [];
    const first = !continues;
    continues = record.partial;
    if (left > 0) {
      if (!record.partial) left--;
      return [];
    }
    const prefix = timestamps && first ? [Buffer.from(`${record.time} `)] : [];
    return [...prefix, record.content, ...(record.partial ? [] : [end])];
  };
}

async function countLines(files: readonly string[], sinceMs: number): Promise<number> {
  let count = 0;
  for (const path of files)
    for await (const { lines } of linesOf(path, 0))
      for (const line of lines) {
        const record = parseRecord(line);
        if (record !== undefined && !record.partial && isSince(record, sinceMs)) count++;
      }
  return count;
}

function isSince(record: CriRecord, sinceMs: number): boolean {
  return sinceMs === Number.NEGATIVE_INFINITY || Date.parse(record.time) >= sinceMs;
}

function sinceOf(options: LogOptions, nowMs: number): number {
  if (options.sinceSeconds !== undefined) return nowMs - options.sinceSeconds * 1000;
  if (options.sinceTime !== undefined) return Date.parse(options.sinceTime);
  return Number.NEGATIVE_INFINITY;
}

function limited(chunk: Buffer, budget: { bytes: number }): Buffer {
  const part = chunk.length > budget.bytes ? chunk.subarray(0, budget.bytes) : chunk;
  budget.bytes -= part.length;
  return part;
}

/** The log's files, oldest first. */
async function existing(file: string): Promise<readonly string[]> {
  const names = [...Array.from({ length: logFilesKept }, (_unused, index) => `${file}.${logFilesKept - index}`), file];
  const found = await Promise.all(
    names.map((name) =>
      stat(name).then(
        () => true,
        () => false,
      ),
    ),
  );
  return names.filter((_name, index) => found[index]);
}
