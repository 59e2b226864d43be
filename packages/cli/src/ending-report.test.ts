// What `wherry down`, and Ctrl-C in `wherry up`, say of pods that do not end.
import type { Pod, Stored } from "@wherry/kube/types";
import { expect, test } from "vitest";
import { stillEnding } from "./ending-report.ts";

const podCalled = (name: string, grace?: number, state: object = { running: {} }): Stored<Pod> =>
  ({
    metadata: { name, uid: name, resourceVersion: "1" },
    spec: { ...(grace === undefined ? {} : { terminationGracePeriodSeconds: grace }) },
    status: { containerStatuses: [{ name: "web", state }] },
  }) as unknown as Stored<Pod>;

test("pods that still run are named, with the time after which they are killed; those that have ended are not", () => {
  expect(stillEnding([podCalled("web"), podCalled("slow", 3600), podCalled("done", 30, { terminated: {} })])).toEqual([
    // Stopping waits no longer than a minute.
    "waiting: pod slow has not ended on SIGTERM; it is killed 60 s after that",
    "waiting: pod web has not ended on SIGTERM; it is killed 30 s after that",
  ]);
  expect(stillEnding([])).toEqual([]);
});

test("of many a few are named", () => {
  const lines = stillEnding(Array.from({ length: 20 }, (_, index) => podCalled(`web-${index}`)));
  expect(lines).toHaveLength(6);
  expect(lines.at(-1)).toBe("waiting: and for 15 pods more");
});
