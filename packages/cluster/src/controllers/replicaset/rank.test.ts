// Which pods a ReplicaSet deletes first depends on the pods alone.
import fc from "fast-check";
import type { Pod, Stored } from "@wherry/kube";
import { expect, test } from "vitest";
import { deletionOrder } from "./rank.ts";

const nowMs = Date.UTC(2026, 0, 1);

interface Traits {
  readonly node?: string;
  readonly phase?: string;
  readonly readyForMs?: number;
  readonly cost?: string;
  readonly restarts?: number;
  readonly ageMs?: number;
}

function pod(name: string, traits: Traits = {}): Stored<Pod> {
  const { node = "n", phase = "Running", readyForMs, cost, restarts = 0, ageMs = 1e6 } = traits;
  const isReady = readyForMs !== undefined;
  return {
    metadata: {
      name,
      uid: name,
      resourceVersion: "1",
      creationTimestamp: new Date(nowMs - ageMs).toISOString(),
      ...(cost === undefined ? {} : { annotations: { "controller.kubernetes.io/pod-deletion-cost": cost } }),
    },
    spec: { containers: [], ...(node === "" ? {} : { nodeName: node }) },
    status: {
      phase,
      conditions: [
        {
          type: "Ready",
          status: isReady ? "True" : "False",
          lastTransitionTime: new Date(nowMs - (readyForMs ?? 0)).toISOString(),
        },
      ],
      containerStatuses: [{ name: "c", image: "", imageID: "", ready: isReady, restartCount: restarts }],
    },
  };
}

test.each<[string, Stored<Pod>, Stored<Pod>]>([
  ["without a node before one on a node", pod("z", { node: "", readyForMs: 1 }), pod("a", { phase: "Pending" })],
  ["pending before unknown", pod("z", { phase: "Pending" }), pod("a", { phase: "Unknown" })],
  ["unknown before running", pod("z", { phase: "Unknown" }), pod("a")],
  ["not ready before ready", pod("z"), pod("a", { readyForMs: 1 })],
  ["cheap before dear", pod("z", { readyForMs: 9e5, cost: "-5" }), pod("a", { readyForMs: 1 })],
  ["on the fuller node before the emptier", pod("z", { readyForMs: 9e5, node: "full" }), pod("a", { readyForMs: 1 })],
  ["ready for a shorter time before longer", pod("z", { readyForMs: 1_000 }), pod("a", { readyForMs: 64_000 })],
  ["restarted more often before less often", pod("z", { readyForMs: 9, restarts: 3 }), pod("a", { readyForMs: 9 })],
  ["younger before older", pod("z", { ageMs: 1_000 }), pod("a", { ageMs: 1_000_000 })],
  ["by uid when the ages are alike", pod("a", { ageMs: 600_000 }), pod("z", { ageMs: 550_000 })],
  ["a cost that is no int32 counts as 0", pod("z", { cost: "-1" }), pod("a", { cost: "9999999999" })],
])("a pod %s is deleted first", (_rule, first, second) => {
  const sameNode = (one: Stored<Pod>): number => (one.spec?.nodeName === "full" ? 9 : 1);
  expect(deletionOrder([second, first], sameNode, nowMs)).toEqual([first, second]);
  expect(deletionOrder([first, second], sameNode, nowMs)).toEqual([first, second]);
});

test("the order never depends on the order that the cache gives", () => {
  const traits = fc.record({
    node: fc.constantFrom("", "a", "b"),
    phase: fc.constantFrom("Pending", "Unknown", "Running"),
    readyForMs: fc.option(fc.integer({ min: 0, max: 1e7 }), { nil: undefined }),
    cost: fc.constantFrom("0", "5", "-5", "x"),
    restarts: fc.nat(2),
    ageMs: fc.integer({ min: 0, max: 1e7 }),
  });
  fc.assert(
    fc.property(fc.array(traits, { maxLength: 12 }), fc.infiniteStream(fc.nat()), (all, shuffle) => {
      const pods = all.map(({ readyForMs, ...rest }, index) =>
        pod(`pod-${index}`, readyForMs === undefined ? rest : { ...rest, readyForMs }),
      );
      const keys = new Map(pods.map((one) => [one, shuffle.next().value ?? 0]));
      const shuffled = [...pods].sort((a, b) => (keys.get(a) ?? 0) - (keys.get(b) ?? 0));
      const order = (list: readonly Stored<Pod>[]): string[] =>
        deletionOrder(list, () => 1, nowMs).map((one) => one.metadata.name);
      expect(order(shuffled)).toEqual(order(pods));
    }),
  );
});
