// What `wherry up` says of a pod that runs and is not ready: where its probe looks, and what it found there.
import type { Container, ContainerStatus, Pod, Stored } from "@wherry/kube/types";
import { expect, test } from "vitest";
import { portsIn } from "./listening.ts";
import { type Observed, waitingOf } from "./waiting.ts";

const running = { running: { startedAt: "2026-11-26T04:00:00Z" } };
const podOf = (
  container: Partial<Container>,
  status: Partial<ContainerStatus> = {},
  more: object = {},
): Stored<Pod> => ({
  metadata: { name: "web-1", uid: "u", resourceVersion: "1" },
  spec: { containers: [{ name: "web", ports: [{ name: "http", containerPort: 8080 }], ...container }] },
  status: {
    phase: "Running",
    podIP: "127.9.0.1",
    containerStatuses: [
      { name: "web", image: "i", imageID: "", ready: false, restartCount: 0, state: running, ...status },
    ],
    ...more,
  },
});
const observed = (ports?: readonly number[], said?: string): Observed => ({
  listening: () => ports,
  said: new Map(said === undefined ? [] : [["u", said]]),
});
const tcp = { readinessProbe: { tcpSocket: { port: "http" } } };
const http = { readinessProbe: { httpGet: { path: "/readyz", port: 8080 }, initialDelaySeconds: 30 } };
const refused = "dial tcp 127.9.0.1:8080: connect: connection refused";

test.each([
  [podOf(tcp), observed([]), "runs, but nothing answers on port 8080 yet (its readiness probe: connection refused)"],
  [podOf(tcp), observed(undefined, refused), /^runs, but nothing answers on port 8080 yet/],
  [podOf(tcp), observed([3000, 9000]), /connection refused; it listens on 3000, 9000\)$/],
  // By now it listens, whatever the probe said last.
  [podOf(tcp), observed([8080], refused), "runs, and its readiness probe (port 8080) has not succeeded yet"],
  [
    podOf(http),
    observed([8080]),
    "runs, and its readiness probe (GET /readyz on port 8080) has not succeeded yet; it begins 30 s after the program",
  ],
  [
    podOf(http),
    observed([8080], "HTTP probe failed\n  with statuscode: 503"),
    "runs, but its readiness probe (GET /readyz on port 8080) fails: HTTP probe failed with statuscode: 503",
  ],
  [
    podOf({ readinessProbe: { exec: { command: ["x"] } } }),
    observed([], "no"),
    "runs, but its readiness probe fails: no",
  ],
  [podOf({ ...tcp, startupProbe: { tcpSocket: { port: 5 } } }), observed([]), /port 5 yet \(its startup probe/],
  [podOf({ ...tcp, startupProbe: { tcpSocket: { port: 5 } } }, { started: true }), observed([]), /port 8080 yet/],
  [podOf(tcp, { state: { waiting: { reason: "ContainerCreating" } } }), observed(), "is not started yet"],
  [
    podOf(tcp, { state: { waiting: { reason: "CrashLoopBackOff", message: "back-off" } } }),
    observed(),
    "is not running: CrashLoopBackOff: back-off",
  ],
])("its state is in words: %#", (pod, seen, text) => {
  expect(waitingOf([pod], seen)).toMatchObject([
    { text: typeof text === "string" ? text : expect.stringMatching(text) },
  ]);
});

test("pods that are ready, done or leaving are waited for no more", () => {
  const done = [
    podOf(tcp, {}, { conditions: [{ type: "Ready", status: "True" }] }),
    podOf(tcp, {}, { phase: "Succeeded" }),
    { ...podOf(tcp), metadata: { ...podOf(tcp).metadata, deletionTimestamp: "2026-11-26T04:00:00Z" } },
  ];
  expect(waitingOf(done, observed())).toEqual([]);
});

test("the ports that an address listens on are read from the kernel's table, also those of IPv6 sockets", () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue
   0: 0100097F:1F90 00000000:0000 0A 00000000:00000000
   1: 0100097F:0050 0200097F:9C40 01 00000000:00000000
   2: 0000000000000000FFFF00000100097F:0016 00000000000000000000000000000000:0000 0A 0
   3: 0200097F:0015 00000000:0000 0A 00000000:00000000`;
  expect(portsIn(table, "127.9.0.1")).toEqual([22, 8080]);
  expect(portsIn(table, "::1")).toEqual([]);
});
