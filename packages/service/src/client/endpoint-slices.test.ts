// Pods found by EndpointSlices: what their conditions mean, and that a lost watch empties no list.
import { silentLogger, WherryError } from "@wherry/core";
import { SeededRandom, VirtualClock } from "@wherry/core/testing";
import type { KubeClient } from "@wherry/kube/client";
import type { EndpointSlice, Stored, WatchEvent } from "@wherry/kube/types";
import { afterEach, describe, expect, test } from "vitest";
import type { DiscoveryProblem, Target } from "./discovery.ts";
import { targetsOf, watchEndpointSlices } from "./endpoint-slices.ts";

type Slice = Stored<EndpointSlice>;
type Conditions = { readonly ready?: boolean; readonly serving?: boolean; readonly terminating?: boolean };

function slice(
  name: string,
  endpoints: readonly (readonly [string, (Conditions | undefined)?])[],
  ports = [{ name: "messaging", port: 5555 }],
): Slice {
  return {
    metadata: { name, uid: name, resourceVersion: "1", namespace: "shop" },
    addressType: "IPv4",
    ports,
    endpoints: endpoints.map(([address, conditions]) => ({
      addresses: [address],
      targetRef: { kind: "Pod", uid: `uid-${address}` },
      ...(conditions === undefined ? {} : { conditions }),
    })),
  };
}

describe("what the conditions mean", () => {
  test.each<readonly [string, Conditions | undefined, boolean, boolean]>([
    ["none: ready", undefined, true, true],
    ["ready", { ready: true, serving: true, terminating: false }, true, true],
    ["not ready", { ready: false, serving: false, terminating: false }, false, false],
    ["terminating, still serving", { ready: false, serving: true, terminating: true }, false, true],
    ["serving unknown: as ready", { ready: false }, false, false],
  ])("%s", (_name, conditions, ready, serving) => {
    const address = "tcp://127.64.0.5:5555";
    expect(targetsOf([slice("s", [["127.64.0.5", conditions]])], undefined)).toEqual([
      { address, pod: "uid-127.64.0.5", ready, serving },
    ]);
  });

  test("the port is the one asked for, else `messaging`, else the first", () => {
    const ports = [
      { name: "http", port: 80 },
      { name: "messaging", port: 5555 },
    ];
    const addresses = (port: string | undefined, of = ports): string[] =>
      targetsOf([slice("s", [["127.64.0.5"]], of)], port).map(({ address }) => address);
    expect(addresses(undefined)).toEqual(["tcp://127.64.0.5:5555"]);
    expect(addresses("http")).toEqual(["tcp://127.64.0.5:80"]);
    expect(addresses(undefined, [{ name: "zmq", port: 7 }])).toEqual(["tcp://127.64.0.5:7"]);
    expect(addresses("absent")).toEqual([]);
  });

  test("a pod in two slices is there once, ready if either says so", () => {
    const slices = [slice("a", [["127.64.0.5", { ready: false }]]), slice("b", [["127.64.0.5", { ready: true }]])];
    expect(targetsOf(slices, undefined)).toMatchObject([{ ready: true }]);
  });
});

/** An API that answers one list and one watch at a time, as the test says. */
class FakeApi {
  lists: (() => { items: readonly Slice[]; version: string })[] = [];
  readonly asked: unknown[] = [];
  #push: ((event: WatchEvent<EndpointSlice> | "end" | Error) => void) | undefined;

  get watched(): boolean {
    return this.#push !== undefined;
  }

  emit(event: WatchEvent<EndpointSlice> | "end" | Error): void {
    this.#push?.(event);
  }

  get client(): KubeClient {
    const list = (resource: { plural: string }, options: { namespace?: string; labelSelector?: string }) => {
      this.asked.push([resource.plural, options.namespace, options.labelSelector]);
      const next = this.lists.shift();
      if (next === undefined) return Promise.reject(new Error("API is away"));
      const { items, version } = next();
      return Promise.resolve({ apiVersion: "v1", kind: "List", metadata: { resourceVersion: version }, items });
    };
    const watch = (_resource: unknown, options: { signal?: AbortSignal }) => this.#watch(options.signal);
    return { list, watch } as unknown as KubeClient;
  }

  async *#watch(signal: AbortSignal | undefined): AsyncGenerator<WatchEvent<EndpointSlice>> {
    const queue: (WatchEvent<EndpointSlice> | "end" | Error)[] = [];
    let wake: () => void = () => undefined;
    this.#push = (event) => {
      queue.push(event);
      wake();
    };
    signal?.addEventListener("abort", () => this.#push?.("end"));
    for (;;) {
      const next = queue.shift();
      if (next === undefined) await new Promise<void>((resolve) => (wake = resolve));
      else if (next === "end" || next instanceof Error) {
        this.#push = undefined;
        if (next instanceof Error) throw next;
        return;
      } else yield next;
    }
  }
}

describe("watching", () => {
  let stop = new AbortController();
  afterEach(() => {
    stop.abort();
    stop = new AbortController();
  });

  test("follows changes, and a lost watch never empties the list", async () => {
    const api = new FakeApi();
    const clock = new VirtualClock();
    const told: string[][] = [];
    const tell = (targets: readonly Target[]): unknown => told.push(targets.map(({ address }) => address));
    api.lists.push(() => ({ items: [slice("s", [["127.64.0.5"]])], version: "7" }));
    watchEndpointSlices({
      ...{ service: "echo", port: undefined, clock, log: silentLogger, random: new SeededRandom(1) },
      cluster: () => Promise.resolve({ client: api.client, namespace: "shop" }),
    }).start(tell, stop.signal, () => undefined);
    await expect.poll(() => told).toEqual([["tcp://127.64.0.5:5555"]]);
    expect(api.asked).toEqual([["endpointslices", "shop", "kubernetes.io/service-name=echo"]]);

    api.emit({ type: "MODIFIED", object: slice("s", [["127.64.0.5"], ["127.64.0.6"]]) });
    await expect.poll(() => told.at(-1)).toEqual(["tcp://127.64.0.5:5555", "tcp://127.64.0.6:5555"]);

    api.emit(new Error("connection reset"));
    await clock.advance(60_000);
    expect(told).toHaveLength(2);

    api.lists.push(() => ({ items: [slice("s", [["127.64.0.7"]])], version: "9" }));
    await clock.advance(10_000);
    await expect.poll(() => told.at(-1)).toEqual(["tcp://127.64.0.7:5555"]);

    api.emit({ type: "DELETED", object: slice("s", []) });
    await expect.poll(() => told.at(-1)).toEqual([]);
  });

  test.each([
    ["SERVICE_NO_CLUSTER", true],
    ["KUBE_CONFIG", true],
    ["KUBE_UNAVAILABLE", false],
  ])("an API that can't be asked is told of; %s is for a person to mend: %s", async (code, lasting) => {
    const told: DiscoveryProblem[] = [];
    const error = new WherryError("no", { code });
    watchEndpointSlices({
      ...{ service: "echo", port: undefined, clock: new VirtualClock(), log: silentLogger },
      random: new SeededRandom(1),
      cluster: () => Promise.reject(error),
    }).start(
      () => undefined,
      stop.signal,
      (problem) => told.push(problem),
    );
    await expect.poll(() => told).toEqual([{ error, lasting }]);
  });
});
