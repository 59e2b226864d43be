// Lists: snapshots, pages, versions, selections, tables, and what happens when history is gone.
import { resources } from "@wherry/kube";
import { describe, expect, it } from "vitest";
import { bodyOf, create, get, harness, type ListBody } from "./config-maps.suite.ts";

const names = (list: ListBody): string[] => list.items.map(({ metadata }) => metadata.name);

describe("list", () => {
  it("shows the objects by name, with the version of the snapshot", async () => {
    await create("b");
    await create("a");
    const list = bodyOf(await get(""));
    expect(list.kind).toBe("ConfigMapList");
    expect(names(list)).toEqual(["a", "b"]);
    expect(list.metadata.resourceVersion).toBe(String(harness.backend.revision));
  });

  it("has an empty list of items, never null", async () => {
    const response = await get("");
    expect("json" in response.body && response.body.json).toContain('"items":[]');
  });

  it("selects by labels and by fields", async () => {
    await create("a", { tier: "web" });
    await create("b", { tier: "db" });
    expect(names(bodyOf(await get("labelSelector=tier%3Dweb")))).toEqual(["a"]);
    expect(names(bodyOf(await get("fieldSelector=metadata.name%3Db")))).toEqual(["b"]);
    expect((await get("fieldSelector=spec.nonsense%3Db")).status).toBe(400);
    expect((await get("labelSelector=%3D%3D")).status).toBe(400);
  });

  it("pages through one snapshot, whatever changes meanwhile", async () => {
    for (const name of ["a", "b", "c", "d", "e"]) await create(name);
    const first = bodyOf(await get("limit=2"));
    expect(first.metadata.remainingItemCount).toBe(3);
    await create("aa");
    await harness.client.delete(resources.configmaps, { name: "d", namespace: "default" });
    const second = bodyOf(await get(`limit=2&continue=${first.metadata.continue ?? ""}`));
    const third = bodyOf(await get(`limit=2&continue=${second.metadata.continue ?? ""}`));
    expect([...names(first), ...names(second), ...names(third)]).toEqual(["a", "b", "c", "d", "e"]);
    expect(third.metadata.continue).toBeUndefined();
    expect(third.metadata.remainingItemCount).toBeUndefined();
    expect(new Set([first, second, third].map(({ metadata }) => metadata.resourceVersion)).size).toBe(1);
  });

  it("goes on with the newest snapshot when a token has expired", async () => {
    for (const name of ["a", "b", "c"]) await create(name);
    const first = bodyOf(await get("limit=1"));
    await create("d");
    await harness.backend.compact(harness.backend.revision);
    const late = await get(`limit=1&continue=${first.metadata.continue ?? ""}`);
    const status = bodyOf(late);
    expect(late.status).toBe(410);
    expect(status.reason).toBe("Expired");
    const rest = bodyOf(await get(`continue=${status.metadata.continue ?? ""}`));
    expect(names(rest)).toEqual(["b", "c", "d"]);
    expect(rest.metadata.resourceVersion).not.toBe(first.metadata.resourceVersion);
  });

  it("lets tokens expire after two turns of compaction", async () => {
    for (const name of ["a", "b"]) await create(name);
    const first = bodyOf(await get("limit=1"));
    await create("c");
    await harness.clock.advance(10 * 60_000 + 1000);
    expect((await get(`limit=1&continue=${first.metadata.continue ?? ""}`)).status).toBe(410);
  });

  it("counts a page after selecting", async () => {
    for (let index = 0; index < 20; index++) await create(`c${10 + index}`, { even: String(index % 2 === 0) });
    const first = bodyOf(await get("limit=4&labelSelector=even%3Dtrue"));
    expect(names(first)).toHaveLength(4);
    expect(first.metadata.remainingItemCount).toBeUndefined();
    const rest = bodyOf(await get(`labelSelector=even%3Dtrue&continue=${first.metadata.continue ?? ""}`));
    expect(names(rest)).toHaveLength(6);
  });

  it("reads a past version exactly, and refuses one that is to come", async () => {
    await create("a");
    const { resourceVersion } = bodyOf(await get("")).metadata;
    await create("b");
    expect(names(bodyOf(await get(`resourceVersion=${resourceVersion}&resourceVersionMatch=Exact`)))).toEqual(["a"]);
    expect(names(bodyOf(await get(`resourceVersion=${resourceVersion}`)))).toEqual(["a", "b"]);
    const future = await get("resourceVersion=999999");
    expect(future.status).toBe(504);
    expect(future.headers?.["retry-after"]).toBe("1");
  });

  it.each([
    ["resourceVersion=-1", 400],
    ["resourceVersion=abc", 400],
    ["resourceVersion=99999999999999999999", 400],
    ["limit=-1", 400],
    ["limit=many", 400],
    ["continue=nonsense", 400],
    [`continue=${Buffer.from('{"v":1,"rv":-4,"after":"x"}').toString("base64url")}`, 400],
    [`continue=${"A".repeat(10_000)}`, 400],
    [`labelSelector=${"a".repeat(100_000)}`, 400],
    ["resourceVersionMatch=Exact", 422],
    ["resourceVersion=0&resourceVersionMatch=Exact", 422],
    ["resourceVersion=5&resourceVersionMatch=Maybe", 422],
    ["sendInitialEvents=true", 422],
    ["watch=true&timeoutSeconds=soon", 400],
    ["watch=true&sendInitialEvents=true", 422],
    ["watch=true&sendInitialEvents=true&resourceVersionMatch=Exact&resourceVersion=1", 422],
    ["watch=true&resourceVersion=999999", 504],
  ])("refuses %s with %i", async (query, status) => {
    expect((await get(query)).status).toBe(status);
  });

  it("does not let a token reach outside of its own list", async () => {
    await harness.client.create(resources.namespaces, { metadata: { name: "zzz" } });
    await harness.client.create(resources.secrets, {
      metadata: { name: "s", namespace: "zzz" },
      stringData: { a: "b" },
    });
    const token = Buffer.from(JSON.stringify({ v: 1, rv: 0, after: "../../secrets/" })).toString("base64url");
    expect(names(bodyOf(await get(`continue=${token}`)))).toEqual([]);
  });
});

describe("tables and metadata", () => {
  it("answers rows with all columns", async () => {
    await create("a");
    const table = bodyOf(await get("", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")) as unknown as {
      kind: string;
      columnDefinitions: { name: string }[];
      rows: { cells: unknown[]; object: { kind: string } }[];
    };
    expect(table.kind).toBe("Table");
    expect(table.columnDefinitions.map(({ name }) => name)).toEqual(["Name", "Data", "Age"]);
    expect(table.rows[0]?.cells).toEqual(["a", 0, "0s"]);
    expect(table.rows[0]?.object.kind).toBe("PartialObjectMetadata");
  });

  it("answers metadata alone", async () => {
    await create("a");
    const list = bodyOf(await get("", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"));
    expect(list.kind).toBe("PartialObjectMetadataList");
    expect(list.items[0]).not.toHaveProperty("data");
  });

  it("refuses what it can't make", async () => {
    const response = await get("", "application/vnd.kubernetes.protobuf");
    expect(response.status).toBe(406);
  });
});
