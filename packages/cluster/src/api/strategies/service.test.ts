// Services get addresses and ports of their own, for life.
import { type Service, resources, StatusError } from "@wherry/kube";
import { SeededRandom } from "@wherry/core/testing";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openMemoryBackend } from "../../store/index.ts";
import { type Harness, startApi } from "../harness.suite.ts";
import { AddressRange } from "./addresses.ts";

let harness: Harness;
beforeEach(async () => {
  harness = await startApi();
  await harness.client.create(resources.namespaces, { metadata: { name: "default" } });
});
afterEach(() => harness.close());

const service = (name: string, spec: Service["spec"] = {}): Service => ({
  metadata: { name, namespace: "default" },
  spec: { ports: [{ port: 80 }], ...spec },
});
const at = (name: string): { name: string; namespace: string } => ({ name, namespace: "default" });
const create = (name: string, spec?: Service["spec"]): Promise<Service> =>
  harness.client.create(resources.services, service(name, spec));

const messageOf = async (work: Promise<unknown>): Promise<string> => {
  const problem: unknown = await work.then(
    () => "was allowed",
    (thrown: unknown) => thrown,
  );
  return problem instanceof StatusError ? `${problem.httpStatus} ${problem.message}` : String(problem);
};

describe("ClusterIP", () => {
  it("is given from the range, to one Service each", async () => {
    const made = await Promise.all(Array.from({ length: 100 }, (_, index) => create(`s${index}`)));
    const addresses = made.map(({ spec }) => spec?.clusterIP ?? "");
    expect(new Set(addresses).size).toBe(100);
    for (const address of addresses) expect(address).toMatch(/^127\.9\.(?:[1-9]|1[0-5])\.\d+$/);
    expect(made[0]?.spec?.clusterIPs).toEqual([addresses[0]]);
    expect(made[0]?.spec?.ipFamilies).toEqual(["IPv4"]);
  });

  it("can be asked for, once, and only in the range", async () => {
    expect((await create("a", { clusterIP: "127.9.0.10" })).spec?.clusterIP).toBe("127.9.0.10");
    expect(await messageOf(create("b", { clusterIP: "127.9.0.10" }))).toMatch(
      /^422 .*provided IP is already allocated/,
    );
    expect(await messageOf(create("b", { clusterIP: "10.0.0.1" }))).toMatch(/^422 .*not in the valid range/);
  });

  it("is free again when its Service is gone, and after a dry run or a refusal", async () => {
    const asked = { clusterIP: "127.9.0.10" };
    await harness.client.create(resources.services, service("dry", asked), { dryRun: true });
    expect(await messageOf(create("bad", { ...asked, ports: [{ port: 99_999 }] }))).toMatch(/^422/);
    await create("a", asked);
    await harness.client.delete(resources.services, at("a"));
    expect((await create("b", asked)).spec?.clusterIP).toBe("127.9.0.10");
  });

  it("stays through updates that leave it out, and can't be changed", async () => {
    const made = await harness.client.create(resources.services, service("a"));
    const spec = { ...made.spec };
    delete spec.clusterIP;
    delete spec.clusterIPs;
    const updated = await harness.client.update(resources.services, {
      ...made,
      spec: { ...spec, ports: [{ port: 81 }] },
    });
    expect(updated.spec?.clusterIP).toBe(made.spec?.clusterIP);
    const moved = harness.client.patch(resources.services, at("a"), "merge", {
      spec: { clusterIP: "127.9.0.77", clusterIPs: ["127.9.0.77"] },
    });
    expect(await messageOf(moved)).toMatch(/^422/);
    expect((await create("b", { clusterIP: "127.9.0.77" })).spec?.clusterIP).toBe("127.9.0.77");
  });

  it("is none for headless and external Services", async () => {
    expect((await create("a", { clusterIP: "None" })).spec?.clusterIPs).toEqual(["None"]);
    expect((await create("b", { type: "ExternalName", externalName: "example.com" })).spec?.clusterIP).toBeUndefined();
  });

  it("is remembered by the next API server on the same store", async () => {
    const backend = openMemoryBackend();
    const first = await startApi({ backend });
    await first.client.create(resources.namespaces, { metadata: { name: "default" } });
    await first.client.create(resources.services, service("a", { clusterIP: "127.9.0.10" }));
    first.api.close();
    const second = await startApi({ backend });
    const clash = second.client.create(resources.services, service("b", { clusterIP: "127.9.0.10" }));
    expect(await messageOf(clash)).toMatch(/already allocated/);
    await second.close();
  });

  it("of the API's own Service is the first one", () => {
    expect(harness.api.kubernetesAddress).toBe("127.9.0.1");
  });
});

describe("node ports", () => {
  it("are given to NodePort Services, kept, and given back", async () => {
    const made = await harness.client.create(resources.services, service("a", { type: "NodePort" }));
    const port = made.spec?.ports?.[0]?.nodePort ?? 0;
    expect(port).toBeGreaterThanOrEqual(30_000);
    expect(port).toBeLessThanOrEqual(32_767);
    const asked = { type: "NodePort", ports: [{ port: 80, nodePort: port }] };
    expect(await messageOf(create("b", asked))).toMatch(/provided port is already allocated/);
    const kept = await harness.client.update(resources.services, {
      ...made,
      spec: { ...made.spec, ports: [{ port: 80, protocol: "TCP" }] },
    });
    expect(kept.spec?.ports?.[0]?.nodePort).toBe(port);
    await harness.client.patch(resources.services, at("a"), "merge", { spec: { type: "ClusterIP" } });
    expect((await create("b", asked)).spec?.ports?.[0]?.nodePort).toBe(port);
    expect(await messageOf(create("c", { type: "NodePort", ports: [{ port: 80, nodePort: 80 }] }))).toMatch(
      /valid range/,
    );
  });
});

describe("an address range", () => {
  it("gives every address once, and again after its release (property)", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 200 }), fc.integer(), (takes, seed) => {
        const range = new AddressRange("127.4.0.0/26", new SeededRandom(seed));
        const held: string[] = [];
        for (const take of takes) {
          if (take) {
            const address = range.takeAny();
            if (address === undefined) expect(held).toHaveLength(61);
            else {
              expect(held).not.toContain(address);
              held.push(address);
            }
          } else {
            const address = held.shift();
            if (address !== undefined) range.release(address);
          }
        }
      }),
    );
  });

  it.each(["10.0.0.0", "10.0.0.0/31", "300.0.0.0/20", "x/20"])("refuses %s", (cidr) => {
    expect(() => new AddressRange(cidr, new SeededRandom(1))).toThrow(/expected an IPv4 range/);
  });
});
