// One message of a plain ZeroMQ peer, given to the raw handler; what that returns goes back as it is.
import { leaveContext } from "../current-context.ts";
import type { Log } from "../log/types.ts";
import type { RawReply } from "../handler.ts";
import type { Host } from "./host.ts";
import { isThenable } from "./invoke.ts";
import type { RawJob } from "./job.ts";

/** What a raw handler's run needs of the server. */
interface RawHost extends Pick<Host, "service" | "metrics"> {
  /** As handlers get it. */
  readonly userLog: Log;
  crashIn(job: RawJob, thrown: unknown): void;
}

/** @returns undefined when it is done, else a promise for that, which never rejects. */
export function runRaw(server: RawHost, job: RawJob): Promise<void> | undefined {
  const { raw } = server.service;
  if (raw === undefined) return undefined;
  const fail = (error: unknown): void => server.crashIn(job, error);
  leaveContext();
  try {
    const reply = raw(job.frames, { peer: job.sender?.address ?? "gone", log: server.userLog });
    if (isThenable(reply)) return reply.then((settled) => answer(server, job, settled), fail);
    answer(server, job, reply);
  } catch (error) {
    fail(error);
  }
  return undefined;
}

function answer(server: RawHost, job: RawJob, reply: RawReply): void {
  job.state = "answered";
  const frames = reply === undefined ? undefined : typeof reply === "string" ? [reply] : reply;
  server.metrics.raw[frames === undefined || job.sender === undefined ? "unanswered" : "answered"]++;
  if (frames === undefined || job.sender === undefined) return;
  const parts = frames instanceof Uint8Array ? [frames] : frames;
  job.sender.send(job.delimited ? ["", ...parts] : parts);
}
