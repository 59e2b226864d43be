// What `wherry describe` and the dashboard say of a pod that does not answer.
import type { Pod, Stored } from "@wherry/kube/types";
import { expect, test } from "vitest";
import { silentState } from "./pod-state.ts";

const pod = (metadata: object, status: object): Stored<Pod> =>
  ({ metadata: { name: "shop-1", ...metadata }, status }) as unknown as Stored<Pod>;
const ready = { conditions: [{ type: "Ready", status: "True" }] };

test("one that was deleted is leaving, whatever its containers say, and then gone: nothing is wrong with it", () => {
  const deletionTimestamp = "2026-11-26T01:00:00Z";
  const crashed = { containerStatuses: [{ name: "main", state: { terminated: { exitCode: 1 } } }] };
  for (const status of [ready, crashed, {}])
    expect(silentState(pod({ deletionTimestamp }, status), "UNAVAILABLE")).toBe("leaving");
  expect(silentState(undefined, "UNAVAILABLE")).toBe("gone");
});

test("one that is not ready says so, or why", () => {
  expect(silentState(pod({}, {}), "UNAVAILABLE")).toBe("not ready");
  const waiting = { reason: "CrashLoopBackOff", message: "back-off" };
  const status = { containerStatuses: [{ name: "main", restartCount: 3, state: { waiting } }] };
  expect(silentState(pod({}, status), "UNAVAILABLE")).toBe("CrashLoopBackOff");
});

test("of one that is ready, what came instead of an answer", () => {
  expect(silentState(pod({}, ready), "DEADLINE_EXCEEDED")).toBe("no answer: DEADLINE_EXCEEDED");
});
