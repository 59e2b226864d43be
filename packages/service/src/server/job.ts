// One request, or one raw message, from its arrival to its answer: what is known of it, and how many bytes it holds. Data alone.
import type { ContentType } from "../protocol/codes.ts";
import type { Method } from "../service.ts";
import type { CallSpan } from "../tracing/open-telemetry.ts";
import type { Caller } from "./caller.ts";
import type { JobContext } from "./context.ts";
import type { Party } from "./party.ts";

interface JobCommon {
  /** By `Clock.monotonic`, milliseconds. Raw messages get the time at which they would make the service stuck. */
  readonly arrivedMs: number;
  readonly deadlineMs: number;
  startedMs: number;
  /** When it was answered; 0 before. */
  endedMs: number;
  /** A request is at all times one of these. */
  state: "queued" | "running" | "answered";
}

export interface RequestJob extends JobCommon {
  readonly kind: "request";
  readonly caller: Caller;
  /** The caller's number for it. */
  readonly id: number;
  readonly method: Method;
  readonly content: ContentType;
  readonly body: Uint8Array | undefined;
  readonly context: JobContext;
  /** Records it, where somebody wants that. */
  span: CallSpan | undefined;
}

/** A plain ZeroMQ peer, as its messages' handler needs it. */
export interface PlainPeer {
  /** For handlers: `tcp://127.0.0.1:53211`. */
  readonly address: string;
  send(frames: readonly (string | Uint8Array)[]): void;
  readonly party: Party;
}

export interface RawJob extends JobCommon {
  readonly kind: "raw";
  /** Who sent it; undefined when it has left already. */
  readonly sender: PlainPeer | undefined;
  /** Without the delimiter. */
  readonly frames: readonly Uint8Array[];
  /** REQ's empty first frame, to be given back. */
  readonly delimited: boolean;
}

export type Job = RequestJob | RawJob;

/** Who has it waiting; undefined: a broker, or one that has left. */
export function partyOf(job: Job): Party | undefined {
  return job.kind === "request" ? job.caller.party : job.sender?.party;
}

/** Of its body, or its frames. */
export function bytesOf(job: Job): number {
  if (job.kind === "request") return job.body?.length ?? 0;
  return job.frames.reduce((sum, frame) => sum + frame.length, 0);
}

/** What it takes of the service's budget while it waits: nothing where its caller holds its body anyway. */
export function heldBytes(job: Job): number {
  return job.kind === "request" && job.caller.holdsBody === true ? 0 : bytesOf(job);
}
