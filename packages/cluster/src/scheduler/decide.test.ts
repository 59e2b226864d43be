// Which node a pod gets, and why none: a pure decision, held against sums that it may never exceed.
import { SeededRandom } from "@wherry/core/testing";
import type { Node, Pod, PodSpec, Taint } from "@wherry/kube";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decide, feasibleEnough } from "./decide.ts";
import { NodeState } from "./node-state.ts";
import { requestsOf } from "./requests.ts";

const random = new SeededRandom(1);

interface Traits {
  readonly labels?: Record<string, string>;
  readonly taints?: readonly Taint[];
  readonly unschedulable?: boolean;
  readonly allocatable?: Record<string, string>;
}

function nodeState(name: string, traits: Traits = {}): NodeState {
  const { labels = {}, taints = [], unschedulable = false } = traits;
  const allocatable = { cpu: "4", memory: "8Gi", pods: "10", ...traits.allocatable };
  const node: Node = { metadata: { name, labels }, spec: { taints, unschedulable }, status: { allocatable } };
  const state = new NodeState(name);
  state.setNode(node);
  return state;
}

function pod(spec: Partial<PodSpec> = {}, requests: Record<string, string> = {}): Pod {
  return { metadata: { name: "p" }, spec: { containers: [{ name: "c", resources: { requests } }], ...spec } };
}

function place(one: Pod, states: readonly NodeState[], group?: string): string {
  const requests = requestsOf(one);
  const decision = decide({ pod: one, requests, group }, states, 0, random);
  if (decision.node === undefined) return decision.message;
  decision.node.add(requests, group);
  return decision.node.name;
}

describe("a pod fits nowhere, and it is said why:", () => {
  const affinity = (operator: string, values?: string[]): Partial<PodSpec> => ({
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: "disk", operator, ...(values && { values }) }] }],
        },
      },
    },
  });
  test.each<[string, Pod, Traits, string]>([
    ["resources", pod({}, { cpu: "5", memory: "9Gi" }), {}, "1 Insufficient cpu, 1 Insufficient memory"],
    ["an extended resource", pod({}, { "example.com/gpu": "1" }), {}, "1 Insufficient example.com/gpu"],
    ["pod count", pod(), { allocatable: { pods: "0" } }, "1 Too many pods"],
    ["cordoned", pod(), { unschedulable: true }, "1 node(s) were unschedulable"],
    [
      "taint",
      pod(),
      { taints: [{ key: "k", value: "v", effect: "NoSchedule" }] },
      "1 node(s) had untolerated taint {k: v}",
    ],
    [
      "selector",
      pod({ nodeSelector: { disk: "ssd" } }),
      { labels: { disk: "hdd" } },
      "1 node(s) didn't match Pod's node affinity/selector",
    ],
    ["affinity", pod(affinity("In", ["ssd"])), {}, "1 node(s) didn't match Pod's node affinity/selector"],
    [
      "affinity not in",
      pod(affinity("NotIn", ["hdd"])),
      { labels: { disk: "hdd" } },
      "1 node(s) didn't match Pod's node affinity/selector",
    ],
    [
      "affinity number",
      pod(affinity("Gt", ["5"])),
      { labels: { disk: "5" } },
      "1 node(s) didn't match Pod's node affinity/selector",
    ],
  ])("%s", (_why, one, traits, reasons) => {
    expect(place(one, [nodeState("a", traits)])).toBe(`0/1 nodes are available: ${reasons}.`);
  });

  test("different reasons of several nodes are counted", () => {
    const states = [nodeState("a", { unschedulable: true }), nodeState("b", { unschedulable: true }), nodeState("c")];
    expect(place(pod({}, { cpu: "9" }), states)).toBe(
      "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.",
    );
    expect(place(pod(), [])).toBe("no nodes available to schedule pods");
  });
});

describe("a pod fits", () => {
  test.each<[string, Pod, Traits]>([
    [
      "what it tolerates by value",
      pod({ tolerations: [{ key: "k", value: "v", effect: "NoSchedule" }] }),
      { taints: [{ key: "k", value: "v", effect: "NoSchedule" }] },
    ],
    [
      "what it tolerates by key",
      pod({ tolerations: [{ key: "k", operator: "Exists" }] }),
      { taints: [{ key: "k", value: "v", effect: "NoExecute" }] },
    ],
    ["a cordoned node, if it tolerates all", pod({ tolerations: [{ operator: "Exists" }] }), { unschedulable: true }],
    ["a node that is only disliked", pod(), { taints: [{ key: "k", effect: "PreferNoSchedule" }] }],
    [
      "a node by name",
      pod({
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values: ["a"] }] }],
            },
          },
        },
      }),
      {},
    ],
  ])("%s", (_why, one, traits) => {
    expect(place(one, [nodeState("a", traits)])).toBe("a");
  });

  test("beside a pod with the same host port only at another address", () => {
    const withPort = (hostIP: string): Pod =>
      pod({ containers: [{ name: "c", ports: [{ containerPort: 80, hostPort: 80, hostIP }] }] });
    const states = [nodeState("a")];
    expect(place(withPort("127.0.0.1"), states)).toBe("a");
    expect(place(withPort("127.0.0.2"), states)).toBe("a");
    const clash = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.";
    expect(place(withPort("127.0.0.1"), states)).toBe(clash);
    expect(place(withPort(""), states)).toBe(clash);
  });
});

describe("of several nodes", () => {
  test("pods of one group are spread evenly", () => {
    const states = ["a", "b", "c"].map((name) => nodeState(name));
    for (let index = 0; index < 9; index++) place(pod(), states, "group");
    expect(states.map((state) => state.podsOfGroup("group"))).toEqual([3, 3, 3]);
  });

  test("the emptier one is taken, and the preferred one", () => {
    const states = [nodeState("a"), nodeState("b", { labels: { disk: "ssd" } })];
    const first = place(pod({}, { cpu: "2" }), states);
    expect(place(pod({}, { cpu: "1" }), states)).not.toBe(first);
    const preferred = [{ weight: 100, preference: { matchExpressions: [{ key: "disk", operator: "Exists" }] } }];
    const choosy = pod({ affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: preferred } } });
    expect(place(choosy, states)).toBe("b");
  });

  test("a large cluster is not searched to the end", () => {
    expect([1, 99, 100, 1000, 5000, 10_000].map(feasibleEnough)).toEqual([1, 99, 100, 420, 500, 500]);
  });
});

test("a pod needs the larger of its running containers and any init container beside the sidecars", () => {
  const container = (cpu: string, restartPolicy?: string): PodSpec["containers"][number] => ({
    name: "x",
    resources: { requests: { cpu } },
    ...(restartPolicy === undefined ? {} : { restartPolicy }),
  });
  const requests = requestsOf(
    pod({
      initContainers: [container("100m", "Always"), container("900m")],
      containers: [container("200m"), container("300m")],
      overhead: { cpu: "10m" },
    }),
  );
  expect(requests.amounts.get("cpu")).toBe(1010);
});

test("no node is ever filled beyond what it has, and its sums come back to nothing", () => {
  const some = fc.array(fc.record({ cpu: fc.integer({ min: 0, max: 3000 }), memory: fc.integer({ min: 0, max: 6 }) }), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(some, (all) => {
      const states = ["a", "b"].map((name) => nodeState(name));
      const placed: [NodeState, ReturnType<typeof requestsOf>][] = [];
      for (const { cpu, memory } of all) {
        const one = pod({}, { cpu: `${cpu}m`, memory: `${memory}Gi` });
        const requests = requestsOf(one);
        const { node } = decide({ pod: one, requests, group: "g" }, states, 0, random);
        if (node === undefined) continue;
        node.add(requests, "g");
        placed.push([node, requests]);
      }
      for (const state of states) {
        expect(state.requested("cpu")).toBeLessThanOrEqual(4000);
        expect(state.requested("memory")).toBeLessThanOrEqual(8 * 2 ** 30);
        expect(state.pods).toBeLessThanOrEqual(10);
      }
      for (const [state, requests] of placed) state.remove(requests, "g");
      for (const state of states)
        expect([state.pods, state.requested("cpu"), state.requested("memory"), state.podsOfGroup("g")]).toEqual([
          0, 0, 0, 0,
        ]);
    }),
  );
});
