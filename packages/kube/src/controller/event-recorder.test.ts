// Events, as `kubectl describe` shows them: counted up, bounded, and never the concern of who records them.
import { SeededRandom, silentLogger } from "@wherry/core";
import { VirtualClock } from "@wherry/core/testing";
import { describe, expect, test } from "vitest";
import { createClient } from "../client/client.ts";
import type { Transport, TransportRequest } from "../client/types.ts";
import { notFound, serviceUnavailable } from "../status.ts";
import type { Event } from "../types/index.ts";
import { createEventRecorder } from "./event-recorder.ts";
import { eventBurstMax, eventRefillMs, eventRetryMs, eventsQueuedMax, eventWindowMs } from "./limits.ts";

const pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "echo-1", namespace: "shop", uid: "u1", resourceVersion: "7" },
};

/** Keeps the Events that were written, as the server would. */
function recorder() {
  const clock = new VirtualClock(Date.UTC(2026, 0, 1));
  const stored = new Map<string, Event>();
  const world = { failures: 0, requests: [] as TransportRequest[] };
  const transport: Transport = {
    request: async (request) => {
      world.requests.push(request);
      if (world.failures > 0) {
        world.failures--;
        return { status: 503, body: serviceUnavailable("starting").status };
      }
      if (request.method === "POST") {
        const event = request.body as Event;
        stored.set(event.metadata.name ?? "", event);
        return { status: 201, body: event };
      }
      const name = request.path.at(-1) ?? "";
      const known = stored.get(name);
      if (known === undefined) return { status: 404, body: notFound({ group: "", plural: "events" }, name).status };
      stored.set(name, { ...known, ...(request.body as object) });
      return { status: 200, body: stored.get(name) };
    },
    watch: () => {
      throw new Error("a recorder watches nothing");
    },
  };
  const options = { component: "kubelet", host: "node-0", clock, random: new SeededRandom(1), log: silentLogger };
  const events = createEventRecorder(createClient(transport), options);
  return { clock, events, stored, world, all: () => [...stored.values()] };
}

describe("an event recorder", () => {
  test("writes what kubectl describe shows", async () => {
    const { events, all, world } = recorder();
    events.event(pod, "Warning", "BackOff", "Back-off restarting", { fieldPath: "spec.containers{app}" });
    await events.flush();
    expect(all()).toMatchObject([
      {
        metadata: { namespace: "shop" },
        involvedObject: { apiVersion: "v1", kind: "Pod", name: "echo-1", uid: "u1", fieldPath: "spec.containers{app}" },
        type: "Warning",
        reason: "BackOff",
        message: "Back-off restarting",
        source: { component: "kubelet", host: "node-0" },
        firstTimestamp: "2026-01-01T00:00:00Z",
        lastTimestamp: "2026-01-01T00:00:00Z",
        count: 1,
      },
    ]);
    expect(all()[0]?.metadata.name).toMatch(/^echo-1\.[0-9a-f]{16}$/);
    expect(world.requests[0]?.path).toEqual(["api", "v1", "namespaces", "shop", "events"]);
  });

  test("counts the same event up within its window, and begins anew after it", async () => {
    const { clock, events, all } = recorder();
    events.event(pod, "Normal", "Pulled", "image is there");
    events.event(pod, "Normal", "Pulled", "image is there");
    await clock.advance(eventWindowMs);
    events.event(pod, "Normal", "Pulled", "image is there");
    events.event(pod, "Normal", "Pulled", "another image is there");
    await events.flush();
    expect(all().map((event) => event.count)).toEqual([3, 1]);
    expect(all()[0]?.lastTimestamp).toBe("2026-01-01T00:10:00Z");
    await clock.advance(eventWindowMs + 1);
    events.event(pod, "Normal", "Pulled", "image is there");
    await events.flush();
    expect(all()).toHaveLength(3);
  });

  test("writes a new one when the old one is gone from the server", async () => {
    const { events, stored, all } = recorder();
    events.event(pod, "Normal", "Pulled", "image is there");
    await events.flush();
    stored.clear();
    events.event(pod, "Normal", "Pulled", "image is there");
    await events.flush();
    expect(all().map((event) => event.count)).toEqual([1]);
  });

  test("keeps events about what has no namespace in default", async () => {
    const { events, all } = recorder();
    events.event({ apiVersion: "v1", kind: "Node", metadata: { name: "node-0" } }, "Normal", "Starting", "");
    await events.flush();
    expect(all()[0]?.metadata.namespace).toBe("default");
  });

  test("tries again while the server is not ready, then gives up without a word to its caller", async () => {
    const { clock, events, all, world } = recorder();
    world.failures = 2;
    events.event(pod, "Normal", "First", "");
    await clock.advance(2 * eventRetryMs);
    await events.flush();
    expect(all().map((event) => event.reason)).toEqual(["First"]);
    world.failures = 3;
    events.event(pod, "Normal", "Second", "");
    await clock.advance(3 * eventRetryMs);
    await events.flush();
    events.event(pod, "Normal", "Third", "");
    await events.flush();
    expect(all().map((event) => event.reason)).toEqual(["First", "Third"]);
  });

  test("bounds what it writes about one object, and what waits", async () => {
    const { clock, events, world, all } = recorder();
    for (let index = 0; index < 100; index++) events.event(pod, "Normal", `Reason${index}`, "");
    await events.flush();
    expect(all()).toHaveLength(eventBurstMax);
    await clock.advance(eventRefillMs);
    events.event(pod, "Normal", "Refilled", "");
    events.event(pod, "Normal", "Dropped", "");
    await events.flush();
    expect(all().at(-1)?.reason).toBe("Refilled");
    world.requests.length = 0;
    for (let index = 0; index < 2 * eventsQueuedMax; index++)
      events.event({ ...pod, metadata: { ...pod.metadata, uid: `u${index}` } }, "Normal", "Many", "");
    await events.flush();
    expect(world.requests).toHaveLength(eventsQueuedMax);
  });
});
