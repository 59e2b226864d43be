// Slots, pod addresses, and Services that forward to whatever is ready: real sockets on the addresses of a slot of the test's own.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SeededRandom, silentLogger, SystemClock } from "@wherry/core";
import { VirtualClock } from "@wherry/core/testing";
import { type EndpointSlice, resources, type ServiceSpec } from "@wherry/kube";
import type { KubeClient } from "@wherry/kube/client";
import { createClient } from "@wherry/kube/client";
import { createInformers } from "@wherry/kube/controller";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "./eventually.suite.ts";
import { createApi, createTokens, localTransport } from "../api/index.ts";
import { noLogs, root, signingKey } from "../api/harness.suite.ts";
import { openMemoryBackend } from "../store/index.ts";
import { Affinity, backendsOf } from "./backends.ts";
import { podAddresses } from "./pod-addresses.ts";
import { listenRetryMs } from "./limits.ts";
import { ServicePort } from "./service-port.ts";
import { type ServiceProxy, startServiceProxy } from "./service-proxy.ts";
import { claimSlot, type Slot, takeOver } from "./slots.ts";

/** The port of real clusters, so that neither one of them nor another run of these tests is in the way. */
const claimPort = 6443;

describe("slots", () => {
  it("gives each claim its own, the preferred one first, and says what to do when that is all there is", async () => {
    const first = await claimSlot({ preferred: 221, port: claimPort });
    const { number } = first;
    const second = await claimSlot({ preferred: number, port: claimPort });
    try {
      expect(first).toMatchObject({ serviceCidr: `127.${number}.0.0/20`, kubernetesAddress: `127.${number}.0.1` });
      expect(second.number).not.toBe(number);
      expect(first.node(2)).toEqual({ ip: `127.${number}.72.1`, podCidr: `127.${number}.72.0/22` });
      await expect(claimSlot({ preferred: number, only: true, port: claimPort })).rejects.toMatchObject({
        code: "NETWORK_SLOT_TAKEN",
      });
    } finally {
      await first.release();
      await second.release();
    }
    const again = await claimSlot({ preferred: number, only: true, port: claimPort });
    await again.release();
  });
});

describe("pod addresses", () => {
  it("uses an address again only after all others, and never one that is in use or still bound", () => {
    const bound = new Set<string>();
    const addresses = podAddresses({ cidr: "127.9.64.0/29", isBound: (address) => bound.has(address) });
    const taken = ["a", "b", "c", "d", "e"].map((pod) => addresses.take(pod));
    expect(taken).toEqual(["127.9.64.2", "127.9.64.3", "127.9.64.4", "127.9.64.5", "127.9.64.6"]);
    expect(addresses.take("f")).toBeUndefined();
    expect(addresses.take("a")).toBe("127.9.64.2");
    addresses.release("c");
    addresses.release("a");
    bound.add("127.9.64.4");
    expect(addresses.take("g")).toBe("127.9.64.2");
    expect(addresses.take("h")).toBeUndefined();
  });

  it("takes back what pods have, and goes on behind it", () => {
    const addresses = podAddresses({ cidr: "127.9.64.0/22" });
    expect(addresses.take("old", "127.9.64.9")).toBe("127.9.64.9");
    expect(addresses.take("new")).toBe("127.9.64.10");
    expect(addresses.take("thief", "127.9.64.9")).toBe("127.9.64.11");
    expect(addresses.take("stranger", "10.0.0.1")).toBe("127.9.64.12");
  });
});

describe("the choice of backends", () => {
  const slice = (
    endpoints: EndpointSlice["endpoints"],
    ports: EndpointSlice["ports"] = [{ name: "", port: 80 }],
  ): EndpointSlice => ({
    addressType: "IPv4",
    endpoints: endpoints ?? [],
    ports,
  });
  it("takes ready endpoints; without any those that serve while they end", () => {
    const ready = { addresses: ["127.1.1.1"], conditions: { ready: true } };
    const ending = { addresses: ["127.1.1.2"], conditions: { ready: false, serving: true, terminating: true } };
    const unready = { addresses: ["127.1.1.3"], conditions: { ready: false, serving: false } };
    expect(backendsOf([slice([ready, ending, unready])], "")).toEqual([{ host: "127.1.1.1", port: 80 }]);
    expect(backendsOf([slice([ending, unready])], "")).toEqual([{ host: "127.1.1.2", port: 80 }]);
    expect(backendsOf([slice([unready])], "")).toEqual([]);
    expect(
      backendsOf(
        [
          slice(
            [ready],
            [
              { name: "http", port: 1 },
              { name: "admin", port: 2 },
            ],
          ),
        ],
        "admin",
      ),
    ).toEqual([{ host: "127.1.1.1", port: 2 }]);
    expect(backendsOf([slice([ready, ready])], "")).toHaveLength(1);
  });
  it("remembers a bounded number of clients, for a bounded time", () => {
    const affinity = new Affinity(1000, 2);
    const backend = { host: "127.1.1.1", port: 80 };
    for (const client of ["a", "b", "c"]) affinity.remember(client, backend, 0);
    expect(["a", "b", "c"].map((client) => affinity.find(client, [backend], 10))).toEqual([
      undefined,
      backend,
      backend,
    ]);
    expect(affinity.find("b", [backend], 1000)).toBeUndefined();
    expect(affinity.find("b", [], 10)).toBeUndefined();
  });
});

describe("the Service proxy", () => {
  let slot: Slot;
  let client: KubeClient;
  let proxy: ServiceProxy;
  let folder: string;
  let closeApi: () => Promise<void>;
  let stop: AbortController;
  let nextPod = 2;
  const servers: Server[] = [];
  const sockets: Socket[] = [];

  beforeEach(async () => {
    slot = await claimSlot({ preferred: 222, port: claimPort });
    const backend = openMemoryBackend();
    const clock = new SystemClock();
    const random = new SeededRandom(3);
    const api = await createApi({
      backend,
      clock,
      random,
      log: silentLogger,
      podLogs: noLogs,
      serviceAddresses: slot.serviceCidr,
      version: "0.0.0",
      tokens: await createTokens({ privateKey: signingKey(), clock, random }),
    });
    client = createClient(localTransport(api, root));
    closeApi = async () => {
      api.close();
      await backend.close();
    };
    folder = await mkdtemp(join(tmpdir(), "wherry-network-"));
    const informers = createInformers(client, { clock, random, log: silentLogger });
    stop = new AbortController();
    proxy = startServiceProxy(
      { client, informers, clock, random, log: silentLogger, slot, hostsFile: join(folder, "hosts") },
      stop.signal,
    );
    await informers.start(stop.signal);
    await client.create(resources.namespaces, { metadata: { name: "default" } }).catch(() => undefined);
  });
  afterEach(async () => {
    stop.abort();
    for (const socket of sockets.splice(0)) socket.destroy();
    await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
    await slot.release();
    await closeApi();
    await rm(folder, { recursive: true, force: true });
  });

  /** A backend on an address of its own that says its name and echoes. */
  async function backend(name: string, port: number): Promise<{ readonly host: string; readonly server: Server }> {
    const host = `127.${slot.number}.64.${nextPod++}`;
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.push(socket);
      socket.on("error", () => undefined);
      socket.write(name);
      socket.pipe(socket);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(port, host, resolve));
    return { host, server };
  }

  async function service(name: string, spec: Partial<ServiceSpec>): Promise<string> {
    const created = await client.create(resources.services, {
      metadata: { name, namespace: "default" },
      spec: spec,
    });
    return created.spec?.clusterIP ?? "";
  }

  async function slice(name: string, port: number, endpoints: NonNullable<EndpointSlice["endpoints"]>): Promise<void> {
    const object: EndpointSlice = {
      metadata: { name: `${name}-1`, namespace: "default", labels: { "kubernetes.io/service-name": name } },
      addressType: "IPv4",
      ports: [{ name: "", port, protocol: "TCP" }],
      endpoints,
    };
    await client.delete(resources.endpointslices, { name: `${name}-1`, namespace: "default" }).catch(() => undefined);
    await client.create(resources.endpointslices, object);
  }

  const ready = (host: string): NonNullable<EndpointSlice["endpoints"]>[number] => ({
    addresses: [host],
    conditions: { ready: true, serving: true, terminating: false },
  });

  /** What a client hears first; "closed" without any. */
  async function greet(host: string, port: number): Promise<string> {
    return await new Promise((resolve) => {
      const socket = connect(port, host);
      socket.once("data", (data) => {
        socket.destroy();
        resolve(data.toString());
      });
      socket.once("error", () => resolve("closed"));
      socket.once("close", () => resolve("closed"));
    });
  }

  it("balances over the ready endpoints, and follows them", async () => {
    const [a, b] = [await backend("a", 8080), await backend("b", 8080)];
    const ip = await service("web", { ports: [{ port: 80, targetPort: 8080 }] });
    await slice("web", 8080, [ready(a.host), ready(b.host)]);
    await eventually(async () => [...new Set([await greet(ip, 80), await greet(ip, 80)])].sort()).toEqual(["a", "b"]);
    await slice("web", 8080, [
      ready(b.host),
      { addresses: [a.host], conditions: { ready: false, serving: true, terminating: true } },
    ]);
    await eventually(async () => [await greet(ip, 80), await greet(ip, 80), await greet(ip, 80)]).toEqual([
      "b",
      "b",
      "b",
    ]);
  });

  it("tries another endpoint when one refuses, and closes when there is none", async () => {
    const a = await backend("a", 8080);
    const ip = await service("web", { ports: [{ port: 8000, targetPort: 8080 }] });
    await slice("web", 8080, [ready(`127.${slot.number}.65.99`), ready(a.host)]);
    await eventually(async () => await greet(ip, 8000)).toBe("a");
    expect([await greet(ip, 8000), await greet(ip, 8000)]).toEqual(["a", "a"]);
    await slice("web", 8080, []);
    await eventually(async () => await greet(ip, 8000)).toBe("closed");
  });

  it("passes the end of one way on alone, and megabytes unharmed", async () => {
    const a = await backend("a", 8080);
    const ip = await service("web", { ports: [{ port: 8000, targetPort: 8080 }] });
    await slice("web", 8080, [ready(a.host)]);
    await eventually(async () => await greet(ip, 8000)).toBe("a");
    const sent = Buffer.alloc(8 * 1024 * 1024, "0123456789");
    const received = await new Promise<Buffer>((resolve, reject) => {
      const chunks: Buffer[] = [];
      const socket = connect({ host: ip, port: 8000, allowHalfOpen: true });
      socket.on("data", (chunk) => chunks.push(chunk));
      socket.once("end", () => resolve(Buffer.concat(chunks)));
      socket.once("error", reject);
      // The echo goes on after this side has said that it is done.
      socket.end(sent);
    });
    expect(received.equals(Buffer.concat([Buffer.from("a"), sent]))).toBe(true);
  });

  it("lets a connection live on when its endpoint goes, and when the Service goes", async () => {
    const a = await backend("a", 8080);
    const ip = await service("web", { ports: [{ port: 8000, targetPort: 8080 }] });
    await slice("web", 8080, [ready(a.host)]);
    await eventually(async () => await greet(ip, 8000)).toBe("a");
    const socket = connect(8000, ip);
    sockets.push(socket);
    const heard: string[] = [];
    socket.on("data", (data) => heard.push(data.toString()));
    await eventually(() => heard.join("")).toBe("a");
    await slice("web", 8080, []);
    await client.delete(resources.services, { name: "web", namespace: "default" });
    await eventually(() => proxy.listening("default/web", 8000)).toBe(false);
    socket.write("still here");
    await eventually(() => heard.join("")).toBe("astill here");
  });

  it("keeps a client on its endpoint with session affinity", async () => {
    const [a, b] = [await backend("a", 8080), await backend("b", 8080)];
    const ip = await service("web", { sessionAffinity: "ClientIP", ports: [{ port: 8000, targetPort: 8080 }] });
    await slice("web", 8080, [ready(a.host), ready(b.host)]);
    await eventually(async () => await greet(ip, 8000)).toMatch(/a|b/);
    const heard = new Set<string>();
    for (let count = 0; count < 6; count++) heard.add(await greet(ip, 8000));
    expect(heard.size).toBe(1);
  });

  const reasons = async (name: string): Promise<string[]> =>
    (await client.list(resources.events)).items
      .filter((event) => event.involvedObject.name === name)
      .map((event) => event.reason ?? "");

  it("says what it can't forward, and forwards the rest", async () => {
    await service("mixed", {
      ports: [
        { name: "dns", port: 53, protocol: "UDP" },
        { name: "tcp", port: 8001 },
      ],
    });
    await eventually(async () => await reasons("mixed")).toEqual(["ProtocolNotHonoured"]);
    await eventually(() => proxy.listening("default/mixed", 8001)).toBe(true);
  });

  it("says who has to move when an address is taken", async () => {
    const address = `127.${slot.number}.0.77`;
    const squatter = createServer();
    servers.push(squatter);
    await new Promise<void>((resolve) => squatter.listen(8000, address, resolve));
    await service("taken", { clusterIP: address, ports: [{ port: 8000 }] });
    await eventually(async () => await reasons("taken")).toEqual(["ListenFailed"]);
    expect(proxy.listening("default/taken", 8000)).toBe(false);
  });

  it("takes a taken address as soon as it is free", async () => {
    const clock = new VirtualClock();
    const squatter = createServer();
    const host = `127.${slot.number}.9.9`;
    await new Promise<void>((resolve) => squatter.listen(8000, host, resolve));
    const trouble: string[] = [];
    const port = new ServicePort({
      host,
      port: 8000,
      clock,
      random: new SeededRandom(1),
      backends: () => [],
      affinity: () => undefined,
      onTrouble: (error) => trouble.push(error.code ?? ""),
    });
    await eventually(() => trouble).toEqual(["EADDRINUSE"]);
    await new Promise((resolve) => squatter.close(resolve));
    await clock.advance(listenRetryMs);
    await eventually(() => port.listening).toBe(true);
    port.destroy();
  });

  it("makes the claim's own listener the kubernetes Service's", async () => {
    const a = await backend("api", 8080);
    expect(await greet(slot.kubernetesAddress, claimPort)).toBe("closed");
    const listening = slot.listener.listening;
    takeOver(slot.listener);
    const port = new ServicePort({
      host: slot.kubernetesAddress,
      port: claimPort,
      clock: new SystemClock(),
      random: new SeededRandom(1),
      backends: () => [{ host: a.host, port: 8080 }],
      affinity: () => undefined,
      onTrouble: () => undefined,
      listener: slot.listener,
    });
    expect(listening).toBe(true);
    expect(await greet(slot.kubernetesAddress, claimPort)).toBe("api");
    port.destroy();
  });

  it("writes the names of Services for the pods", async () => {
    const ip = await service("web", { ports: [{ port: 8000 }] });
    await service("peers", { clusterIP: "None", ports: [{ port: 8000 }] });
    await slice("peers", 8000, [ready("127.1.1.7"), { addresses: ["127.1.1.8"], conditions: { ready: false } }]);
    await eventually(async () => await readFile(join(folder, "hosts"), "utf8").catch(() => "")).toBe(
      [`127.1.1.7 peers.default.svc.cluster.local`, `${ip} web.default.svc.cluster.local`].sort().join("\n") + "\n",
    );
  });
});
