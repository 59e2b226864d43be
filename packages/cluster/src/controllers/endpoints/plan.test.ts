// Which pods of a Service its EndpointSlices and Endpoints list, and as what: pure plans, from pods to objects.
import fc from "fast-check";
import type { EndpointSlice, Pod, Service, Stored } from "@wherry/kube";
import { describe, expect, test } from "vitest";
import { planEndpoints } from "./endpoints.ts";
import { planSlices, type SlicesPlan } from "./slices.ts";

const service: Stored<Service> = {
  metadata: { name: "echo", namespace: "n", uid: "service", resourceVersion: "1", labels: { team: "a" } },
  spec: { selector: { app: "echo" }, ports: [{ name: "zmq", port: 80, targetPort: "messaging" }] },
};

function pod(
  name: string,
  traits: { ready?: boolean; deleting?: boolean; phase?: string; ip?: string; port?: number } = {},
): Stored<Pod> {
  const { ready = true, deleting = false, phase = "Running", ip = `127.1.64.${name}`, port = 5555 } = traits;
  return {
    metadata: {
      name,
      namespace: "n",
      uid: name,
      resourceVersion: "1",
      ...(deleting ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}),
    },
    spec: { nodeName: "node-0", containers: [{ name: "c", ports: [{ name: "messaging", containerPort: port }] }] },
    status: { phase, podIP: ip, conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
  };
}

/** The slices as they are after the plan. */
class World {
  slices: Stored<EndpointSlice>[] = [];
  #made = 0;

  apply(pods: readonly Stored<Pod>[], ofService: Stored<Service> = service): SlicesPlan {
    const plan = planSlices({ service: ofService, pods, slices: this.slices, nodeOf: () => undefined });
    const gone = new Set(plan.remove.map(({ metadata }) => metadata.uid));
    const changed = new Map(plan.update.map((slice) => [slice.metadata?.uid, slice as Stored<EndpointSlice>]));
    this.slices = this.slices
      .filter(({ metadata }) => !gone.has(metadata.uid))
      .map((slice) => changed.get(slice.metadata.uid) ?? slice);
    for (const slice of plan.create) {
      const uid = `slice-${this.#made++}`;
      this.slices.push({ ...slice, metadata: { ...slice.metadata, name: uid, uid, resourceVersion: "1" } });
    }
    return plan;
  }

  get names(): string[] {
    return this.slices
      .flatMap(({ endpoints }) => (endpoints ?? []).map(({ targetRef }) => targetRef?.name ?? ""))
      .sort();
  }
}

describe("EndpointSlices", () => {
  test("say of each pod whether it is ready, serving and terminating", () => {
    const world = new World();
    world.apply([
      pod("1"),
      pod("2", { ready: false }),
      pod("3", { deleting: true }),
      pod("4", { phase: "Failed" }),
      pod("5", { ip: "" }),
    ]);
    expect(world.slices).toHaveLength(1);
    const [slice] = world.slices;
    expect(slice).toMatchObject({
      addressType: "IPv4",
      ports: [{ name: "zmq", port: 5555, protocol: "TCP" }],
      metadata: {
        generateName: "echo-",
        labels: {
          team: "a",
          "kubernetes.io/service-name": "echo",
          "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        },
        ownerReferences: [{ kind: "Service", uid: "service", controller: true }],
      },
    });
    expect(slice?.endpoints?.map(({ targetRef, conditions }) => [targetRef?.name, conditions])).toEqual([
      ["1", { ready: true, serving: true, terminating: false }],
      ["2", { ready: false, serving: false, terminating: false }],
      ["3", { ready: false, serving: true, terminating: true }],
    ]);
  });

  test("of a Service without pods are one empty slice", () => {
    const world = new World();
    world.apply([]);
    expect(world.slices.map(({ endpoints, ports }) => [endpoints, ports])).toEqual([[[], []]]);
    world.apply([pod("1")]);
    expect(world.names).toEqual(["1"]);
    world.apply([]);
    expect(world.slices.map(({ endpoints }) => endpoints)).toEqual([[]]);
  });

  test("of pods with different ports are apart", () => {
    const world = new World();
    world.apply([pod("1"), pod("2", { port: 6666 })]);
    expect(world.slices.map(({ ports, endpoints }) => [ports?.[0]?.port, endpoints?.length])).toEqual([
      [5555, 1],
      [6666, 1],
    ]);
  });

  test("hold at most 100, hold each pod once, and settle, whichever pods come and go", () => {
    const states = fc.array(fc.uniqueArray(fc.nat(249), { maxLength: 250, size: "max" }), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(states, (rounds) => {
        const world = new World();
        for (const names of rounds) {
          const pods = names.map((name) => pod(String(name)));
          const before = world.slices.length;
          const plan = world.apply(pods);
          expect(world.names).toEqual(names.map(String).sort());
          for (const { endpoints } of world.slices) expect(endpoints?.length).toBeLessThanOrEqual(100);
          expect(plan.create.length + plan.update.length + plan.remove.length).toBeLessThanOrEqual(before + 3);
          const again = world.apply(pods);
          expect([again.create, again.update, again.remove]).toEqual([[], [], []]);
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe("Endpoints", () => {
  test("list ready and not ready addresses, and leave out terminating ones", () => {
    const pods = [pod("2"), pod("1"), pod("3", { ready: false }), pod("4", { deleting: true })];
    const endpoints = planEndpoints(service, pods, undefined);
    expect(endpoints?.subsets).toMatchObject([
      {
        addresses: [{ ip: "127.1.64.1" }, { ip: "127.1.64.2" }],
        notReadyAddresses: [{ ip: "127.1.64.3" }],
        ports: [{ name: "zmq", port: 5555, protocol: "TCP" }],
      },
    ]);
    const stored = { ...endpoints, metadata: { ...endpoints?.metadata, name: "echo", uid: "e", resourceVersion: "1" } };
    expect(planEndpoints(service, [...pods].reverse(), stored)).toBeUndefined();
  });

  test("of a Service that publishes not ready addresses have all, terminating ones too", () => {
    const publishing = { ...service, spec: { ...service.spec, publishNotReadyAddresses: true } };
    const endpoints = planEndpoints(publishing, [pod("1", { ready: false }), pod("2", { deleting: true })], undefined);
    expect(endpoints?.subsets?.[0]?.addresses?.map(({ ip }) => ip)).toEqual(["127.1.64.1", "127.1.64.2"]);
  });

  test("are cut off, and say so, beyond 1000", () => {
    const pods = Array.from({ length: 1001 }, (_, index) => pod(String(index)));
    const endpoints = planEndpoints(service, pods, undefined);
    expect(endpoints?.subsets?.[0]?.addresses).toHaveLength(1000);
    expect(endpoints?.metadata?.annotations).toEqual({ "endpoints.kubernetes.io/over-capacity": "truncated" });
  });
});
