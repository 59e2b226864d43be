// What the dashboard asks, and what it makes of answers that are none. What it shows of a real cluster: tests/e2e/several-services.test.ts.
import { VirtualClock } from "@wherry/core/testing";
import { resources } from "@wherry/kube";
import type { KubeClient } from "@wherry/kube/client";
import { expect, test } from "vitest";
import { Gatherer } from "./gather.ts";

const labels = { app: "shop" };
const services = [
  { metadata: { name: "plain", namespace: "default" }, spec: { ports: [{ name: "other", port: 1 }] } },
  {
    metadata: { name: "shop", namespace: "default" },
    spec: { ports: [{ name: "messaging", port: 1 }], selector: labels },
  },
];
const status = { conditions: [{ type: "Ready", status: "True" }] };
const pods = [{ metadata: { name: "shop-1", namespace: "default", labels }, status }];

/** @param until the cluster answers no sooner */
function gatherer(until: Promise<unknown>, security: () => Promise<object> = () => Promise.resolve({})) {
  const asked: unknown[] = [];
  const clock = new VirtualClock();
  const list = async (resource: unknown): Promise<unknown> => {
    asked.push(resource);
    await until;
    return { items: resource === resources.services ? services : pods };
  };
  const kube = { list } as unknown as KubeClient;
  return { asked, clock, gatherer: new Gatherer({ cluster: "lab", kube, clock, security }) };
}

test("pages that ask while a look is under way are told of that one, however long it takes", async () => {
  const answered = Promise.withResolvers<undefined>();
  const { asked, clock, gatherer: all } = gatherer(answered.promise, () => Promise.reject(new Error("no key")));
  const first = all.figures();
  await clock.advance(60_000);
  expect(all.figures()).toBe(first);
  expect(asked).toHaveLength(2);
  answered.resolve(undefined);
  await first;
  await clock.advance(60_000);
  await all.figures();
  expect(asked).toHaveLength(4);
  await all.close();
});

test("a service that cannot be asked says why, and the others are shown", async () => {
  // What `connect` refuses stands for whatever goes wrong with one service.
  const { gatherer: all } = gatherer(Promise.resolve(), () => Promise.resolve({ retry: { attempts: 0 } }));
  expect((await all.figures()).services).toMatchObject([
    { name: "plain", pods: [] },
    { name: "shop", pods: [{ name: "shop-1", state: expect.stringMatching(/^no answer: retry.attempts: expected/) }] },
  ]);
  await all.close();
});
