// What a failed start means for a container: its state, when it is tried again, and what is said about it. Pure but for the record.
import { WherryError } from "@wherry/core";
import { restartDelayFirstMs, retryFirstMs, retryMaxMs } from "../limits.ts";
import { type ContainerRecord, recordEnd } from "./record.ts";
import { rfc3339 } from "./status.ts";

export interface StartFailure {
  /** For an event of reason `Failed`; undefined: it was said before. */
  readonly message: string | undefined;
  /** Something that a manifest or an image explains; else it is the agent's or the API's trouble, and belongs in the log. */
  readonly expected: boolean;
}

export function recordStartFailure(
  record: ContainerRecord,
  error: Error,
  nowMs: number,
  containerID: string,
): StartFailure {
  const code = WherryError.is(error) ? error.code : "";
  if (code === "RUNTIME_START_FAILED") {
    const at = rfc3339(nowMs);
    const { message } = error;
    recordEnd(
      record,
      { exitCode: 128, reason: "StartError", message, startedAt: at, finishedAt: at, containerID },
      0,
      nowMs,
    );
    return { message: `Error: ${message}`, expected: true };
  }
  record.failures++;
  if (record.state.phase === "ended") record.last = record.state.terminated;
  const first = record.failures === 1;
  if (code === "AGENT_IMAGE_UNKNOWN") {
    record.state = { phase: "waiting", reason: first ? "ErrImagePull" : "ImagePullBackOff", message: error.message };
    // Looking an image up costs next to nothing, so a user who adds it need not wait for Kubernetes' five minutes.
    record.notBeforeMs = nowMs + restartDelayFirstMs;
    const message = `Failed to pull image "${record.spec.image ?? ""}": ${error.message}`;
    return { message: first ? message : undefined, expected: true };
  }
  const expected = code === "AGENT_CONTAINER_CONFIG";
  const reason = expected ? "CreateContainerConfigError" : "CreateContainerError";
  record.state = { phase: "waiting", reason, message: error.message };
  record.notBeforeMs = nowMs + Math.min(retryFirstMs * 2 ** (record.failures - 1), retryMaxMs);
  return { message: first || !expected ? `Error: ${error.message}` : undefined, expected };
}
