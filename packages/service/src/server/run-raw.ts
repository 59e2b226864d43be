// One message of a plain ZeroMQ peer, given to the raw handler; what that returns goes back as it is.
import { leaveContext } from "../current-context.ts";
import type { RawReply } from "../service.ts";
import { isThenable } from "./invoke.ts";
import type { RawJob } from "./job.ts";
import type { Server } from "./server.ts";

/** @returns undefined when it is done, else a promise for that, which never rejects. */
export function runRaw(server: Server, job: RawJob): Promise<void> | undefined {
  const { raw } = server.service;
  if (raw === undefined) return undefined;
  const fail = (error: unknown): void => server.crashIn(job, error);
  leaveContext();
  try {
    const reply = raw(job.frames, { peer: job.session?.address ?? "gone", log: server.userLog });
    if (isThenable(reply)) return reply.then((settled) => answer(server, job, settled), fail);
    answer(server, job, reply);
  } catch (error) {
    fail(error);
  }
  return undefined;
}

function answer(server: Server, job: RawJob, reply: RawReply): void {
  job.state = "answered";
  const frames = reply === undefined ? undefined : typeof reply === "string" ? [reply] : reply;
  server.metrics.raw[frames === undefined || job.session === undefined ? "unanswered" : "answered"]++;
  if (frames === undefined || job.session === undefined) return;
  const envelope = job.delimited ? [job.session.peer.routingId, ""] : [job.session.peer.routingId];
  server.sendMessage(job.session, [...envelope, ...(frames instanceof Uint8Array ? [frames] : frames)]);
}
