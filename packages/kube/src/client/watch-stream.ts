// The events of a watch, out of its HTTP answer: JSON, one event a line. Pulled: while nobody asks, the socket is not read.
import { asError, WherryError } from "@wherry/core";
import type { WatchEvent } from "../types/index.ts";
import { LineSplitter } from "./json-lines.ts";
import { watchLineBytesMax } from "./limits.ts";

const types: ReadonlySet<unknown> = new Set(["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]);

/**
 * Ends with the stream.
 * @throws WherryError `KUBE_WATCH_INVALID` for a line that is no event, `KUBE_UNREACHABLE` when the stream ends within one.
 */
export async function* readEvents(stream: AsyncIterable<Uint8Array>): AsyncGenerator<WatchEvent, void, undefined> {
  const splitter = new LineSplitter(watchLineBytesMax);
  for await (const chunk of stream) {
    for (const line of splitter.push(chunk)) yield eventOf(line);
  }
  if (splitter.unfinished)
    throw new WherryError("the watch broke off in the middle of an event", {
      code: "KUBE_UNREACHABLE",
      retryable: true,
    });
}

function eventOf(line: string): WatchEvent {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch (error) {
    throw invalid(asError(error).message);
  }
  if (typeof event !== "object" || event === null || !("type" in event) || !types.has(event.type))
    throw invalid(line.slice(0, 100));
  if (!("object" in event) || typeof event.object !== "object" || event.object === null)
    throw invalid(line.slice(0, 100));
  return event as WatchEvent;
}

function invalid(got: string): WherryError {
  return new WherryError(`expected a watch event a line, got: ${got}`, { code: "KUBE_WATCH_INVALID", retryable: true });
}
