// Pods found by DNS, with a resolver that the test holds; at the end the machine's own.
import { silentLogger } from "@wherry/core";
import { SeededRandom, VirtualClock } from "@wherry/core/testing";
import { afterEach, describe, expect, test } from "vitest";
import type { DiscoveryProblem, Target } from "./discovery.ts";
import { namesOf, type ServiceRecord, systemResolver } from "./dns-resolver.ts";
import { type DnsOptions, dnsTargets } from "./dns.ts";
import { noting, world } from "./world.suite.ts";

const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

/** A DNS that a test writes: an Error, or nothing at all, is what the resolver gives. */
function zone(options: Partial<DnsOptions> = {}) {
  const clock = new VirtualClock();
  const hosts: Record<string, readonly string[] | Error | undefined> = {};
  const services: Record<string, readonly ServiceRecord[] | Error> = {};
  let asked = 0;
  const answer = <T>(value: T | Error | undefined): Promise<T> => {
    asked++;
    if (value === undefined) return new Promise(() => undefined);
    return value instanceof Error ? Promise.reject(value) : Promise.resolve(value);
  };
  const resolver = {
    addresses: (host: string) => answer(hosts[host]),
    services: (name: string) => answer(services[name]),
  };
  const told: string[][] = [];
  const targets: (readonly Target[])[] = [];
  const problems: DiscoveryProblem[] = [];
  const parts = { clock, random: new SeededRandom(1), log: silentLogger };
  const discovery = dnsTargets({ dns: "shop.default.svc", resolver, ...options }, parts);
  const stop = new AbortController();
  stops.push(stop);
  const start = (): void =>
    discovery.start(
      (list) => {
        targets.push(list);
        told.push(list.map(({ address }) => address));
      },
      stop.signal,
      (problem) => problems.push(problem),
    );
  return { clock, hosts, services, told, targets, problems, discovery, start, stop, asked: () => asked };
}

describe("a headless Service", () => {
  test("is its addresses, old and new kind, asked again in 5 to 10 seconds", async () => {
    const { clock, hosts, told, start, asked } = zone({ port: 7000 });
    hosts["shop.default.svc"] = ["10.0.0.2", "10.0.0.1", "fd00::1", "10.0.0.1"];
    start();
    await clock.advance(0);
    expect(told).toEqual([["tcp://10.0.0.1:7000", "tcp://10.0.0.2:7000", "tcp://[fd00::1]:7000"]]);
    await clock.advance(4999);
    expect(asked()).toBe(1);
    hosts["shop.default.svc"] = ["10.0.0.3"];
    await clock.advance(5001);
    expect(told.at(-1)).toEqual(["tcp://10.0.0.3:7000"]);
  });

  test("stays as it was while it can't be resolved: refused, unanswered, gone", async () => {
    const { clock, hosts, told, problems, start } = zone();
    hosts["shop.default.svc"] = ["10.0.0.1"];
    start();
    await clock.advance(0);
    hosts["shop.default.svc"] = new Error("queryA ENOTFOUND shop.default.svc");
    await clock.advance(10_000);
    hosts["shop.default.svc"] = undefined;
    await clock.advance(20_000);
    expect(told).toEqual([["tcp://10.0.0.1:5555"]]);
    expect(problems[0]).toMatchObject({ lasting: false, error: { message: expect.stringMatching(/ENOTFOUND/) } });
    expect(problems.at(-1)?.error.message).toBe("DNS has no shop.default.svc: no answer within 5000 ms");
    hosts["shop.default.svc"] = ["10.0.0.2"];
    await clock.advance(15_000);
    expect(told.at(-1)).toEqual(["tcp://10.0.0.2:5555"]);
  });

  test("is asked soon when a connection breaks, but once in a second at most; never after the end", async () => {
    const { clock, hosts, discovery, start, stop, asked } = zone();
    hosts["shop.default.svc"] = ["10.0.0.1"];
    start();
    await clock.advance(2000);
    expect(asked()).toBe(1);
    discovery.refresh?.();
    await clock.advance(0);
    expect(asked()).toBe(2);
    for (let index = 0; index < 20; index++) {
      discovery.refresh?.();
      await clock.advance(100);
    }
    expect(asked()).toBeLessThanOrEqual(4);
    stop.abort();
    await clock.advance(0);
    const last = asked();
    await clock.advance(60_000);
    expect(asked()).toBe(last);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe("SRV records", () => {
  const dns = "_messaging._tcp.shop.default.svc";

  test("say the port; the lowest priority is used, others serve when none of it answers", async () => {
    const { clock, hosts, services, targets, start } = zone({ dns });
    hosts["a"] = ["10.0.0.1"];
    hosts["b"] = ["10.0.0.2"];
    hosts["far"] = ["10.9.0.1"];
    hosts["gone"] = new Error("ENOTFOUND");
    services[dns] = [
      { host: "a", port: 7001, priority: 0 },
      { host: "b", port: 7002, priority: 0 },
      { host: "gone", port: 7003, priority: 0 },
      { host: "far", port: 7004, priority: 10 },
    ];
    start();
    await clock.advance(0);
    expect(targets.at(-1)).toMatchObject([
      { address: "tcp://10.0.0.1:7001", ready: true },
      { address: "tcp://10.0.0.2:7002", ready: true },
      { address: "tcp://10.9.0.1:7004", ready: false, serving: true },
    ]);
  });

  test("none of whose hosts has an address change nothing", async () => {
    const { clock, hosts, services, told, problems, start } = zone({ dns });
    hosts["a"] = new Error("ENOTFOUND a");
    services[dns] = [{ host: "a", port: 7001, priority: 0 }];
    start();
    await clock.advance(0);
    expect(told).toEqual([]);
    expect(problems[0]?.error.message).toBe(`DNS has no ${dns}: ENOTFOUND a`);
  });
});

test("a client finds pods by DNS, follows them, and asks when a connection breaks", async () => {
  const { hosts, discovery, clock, asked } = zone();
  hosts["shop.default.svc"] = ["10.0.0.1"];
  const { client, pod, available } = world({ discovery, clock });
  const first = await pod("10.0.0.1:5555", noting([], "first"));
  await available(1);
  expect(await client.call("who", 1)).toBe("first");
  await clock.advance(2000);
  await pod("10.0.0.2:5555", noting([], "second"));
  hosts["shop.default.svc"] = ["10.0.0.2"];
  const before = asked();
  first.router.kill();
  await clock.advance(1000);
  expect(asked()).toBe(before + 1);
  expect(await client.call("who", 1)).toBe("second");
});

test("the machine's resolver knows the hosts file, and tries the search domains for SRV records", async () => {
  expect(await systemResolver().addresses("localhost")).toEqual(
    expect.arrayContaining([expect.stringMatching(/^(127\.|::1)/)]),
  );
  const conf = "nameserver 10.96.0.10\nsearch default.svc.cluster.local  svc.cluster.local\noptions ndots:5\n";
  expect(namesOf("_m._tcp.shop", conf)).toEqual([
    "_m._tcp.shop",
    "_m._tcp.shop.default.svc.cluster.local",
    "_m._tcp.shop.svc.cluster.local",
  ]);
  expect(namesOf("_m._tcp.shop.", conf)).toEqual(["_m._tcp.shop"]);
  expect(namesOf("_m._tcp.shop", "")).toEqual(["_m._tcp.shop"]);
});

test.each([{ dns: "a b" }, { dns: "" }, { port: 0 }, { port: 70_000 }, { intervalMs: 10 }])(
  "%j is refused",
  (options) => {
    expect(() => zone(options)).toThrow(expect.objectContaining({ code: "SERVICE_OPTION_INVALID" }));
  },
);
