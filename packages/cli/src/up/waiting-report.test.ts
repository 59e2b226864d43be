// `wherry up` says what it waits for soon enough, and not over and over.
import { VirtualClock } from "@wherry/core/testing";
import type { Pod, Stored } from "@wherry/kube/types";
import { afterEach, expect, test } from "vitest";
import { cliLimits } from "../limits.ts";
import { WaitingReport } from "./waiting-report.ts";

const podCalled = (name: string): Stored<Pod> => ({
  metadata: { name, uid: name, resourceVersion: "1" },
  spec: { containers: [{ name: "web", readinessProbe: { tcpSocket: { port: 8080 } } }] },
  status: {
    podIP: "127.9.0.1",
    containerStatuses: [{ name: "web", ready: false, restartCount: 0, image: "", imageID: "", state: { running: {} } }],
  },
});

const reports: WaitingReport[] = [];
afterEach(() => {
  for (const report of reports.splice(0)) report.stop();
});

function begin(pods: () => readonly Stored<Pod>[], listening: () => readonly number[], list: () => Promise<unknown>) {
  const clock = new VirtualClock();
  const lines: string[] = [];
  const report = new WaitingReport({
    ...{ pods, listening, clock, client: { list: list as never } },
    why: ({ container }) => Promise.resolve(`SyntaxError in ${container}`),
    ...{ note: (line) => lines.push(line), signal: new AbortController().signal },
  });
  reports.push(report);
  return { clock, lines, report };
}

const noEvents = (): Promise<unknown> => Promise.resolve({ items: [] });
const refused = "nothing answers on port 8080 yet (its readiness probe: connection refused";

test("one that listens on nothing is told of after a few seconds, once, and again when that changes", async () => {
  let ports: number[] = [];
  const { clock, lines } = begin(
    () => [podCalled("web-1")],
    () => ports,
    noEvents,
  );
  await clock.advance(cliLimits.waitToldAfterMs - 1);
  expect(lines).toEqual([]);
  await clock.advance(1 + 20 * cliLimits.waitLookMs);
  expect(lines).toEqual([`waiting: pod web-1 runs, but ${refused})`]);
  ports = [3000];
  await clock.advance(20 * cliLimits.waitLookMs);
  expect(lines.slice(1)).toEqual([`waiting: pod web-1 runs, but ${refused}; it listens on 3000)`]);
});

test("of many pods a few are named, and the others counted", async () => {
  const pods = Array.from({ length: 40 }, (_, index) => podCalled(`web-${index}`));
  const { clock, lines } = begin(
    () => pods,
    () => [],
    noEvents,
  );
  await clock.advance(cliLimits.waitToldAfterMs + 10 * cliLimits.waitLookMs);
  expect(lines).toHaveLength(cliLimits.waitToldPodsMax);
  expect(lines[0]).toMatch(/\(and 35 pods more are not ready\)$/);
});

test("what probes said is asked of the cluster, the newest counts, and no answer is no reason to be silent", async () => {
  const said = (message: string, lastTimestamp: string): object => ({
    involvedObject: { uid: "web-1" },
    message,
    lastTimestamp,
  });
  const items = [
    said("Readiness probe failed: newer", "2026-11-26T04:00:01Z"),
    said("Readiness probe failed: older", "2026-11-26T04:00:00Z"),
  ];
  const { report } = begin(
    () => [podCalled("web-1")],
    () => [8080],
    () => Promise.resolve({ items }),
  );
  expect(await report.look()).toMatchObject([{ text: "runs, but its readiness probe (port 8080) fails: newer" }]);
  const silent = begin(
    () => [podCalled("web-1")],
    () => [],
    () => Promise.reject(new Error("gone")),
  );
  expect(await silent.report.look()).toHaveLength(1);
});

test("one that crashes is told of with the reason, as its log has it", async () => {
  const pod = podCalled("web-1");
  const state = { waiting: { reason: "CrashLoopBackOff" } };
  const crashed = { ...pod, status: { containerStatuses: [{ ...pod.status!.containerStatuses![0]!, state }] } };
  const { clock, lines } = begin(
    () => [crashed],
    () => [],
    noEvents,
  );
  await clock.advance(cliLimits.waitToldAfterMs + 10 * cliLimits.waitLookMs);
  expect(lines).toEqual(["waiting: pod web-1 is not running: CrashLoopBackOff\n  SyntaxError in web"]);
});
