// `wherry up` applies objects as kubectl does: creates, patches three ways, and takes back what it made when one is refused.
import type { Transport, TransportRequest } from "@wherry/kube/client";
import type { KubeObject } from "@wherry/kube/types";
import { describe, expect, test } from "vitest";
import { applyObjects, threeWayPatch } from "./apply.ts";

/** An API that holds objects by path, refuses fields called `typo`, and merges patches at the top level. */
class FakeApi implements Transport {
  readonly objects = new Map<string, Record<string, unknown>>();
  #revision = 0;

  request(request: TransportRequest): Promise<{ status: number; body: unknown }> {
    const path = request.path.join("/");
    const body = request.body as KubeObject & Record<string, unknown>;
    if (request.method === "POST") {
      expect(request.query?.get("fieldValidation")).toBe("Strict");
      const key = `${path}/${body.metadata?.name ?? ""}`;
      if ("typo" in body) return Promise.resolve(refusal(400, "BadRequest", 'unknown field "typo"'));
      if (this.objects.has(key)) return Promise.resolve(refusal(409, "AlreadyExists", "exists"));
      return Promise.resolve({ status: 201, body: this.#keep(key, body) });
    }
    const live = this.objects.get(path);
    if (live === undefined) return Promise.resolve(refusal(404, "NotFound", "not found"));
    if (request.method === "DELETE") this.objects.delete(path);
    if (request.method === "PATCH")
      return Promise.resolve({ status: 200, body: this.#keep(path, { ...live, ...body }) });
    return Promise.resolve({ status: 200, body: live });
  }

  #keep(key: string, object: Record<string, unknown>): unknown {
    this.#revision += 1;
    const kept = {
      ...object,
      metadata: { ...(object["metadata"] as object), resourceVersion: String(this.#revision) },
    };
    this.objects.set(key, kept);
    return kept;
  }

  watch(): never {
    throw new Error("not used");
  }
}

const refusal = (code: number, reason: string, message: string): { status: number; body: unknown } => ({
  status: code,
  body: { kind: "Status", code, reason, message },
});
const configMap = (name: string, more: object = {}): { object: KubeObject; source: string } => ({
  object: { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, ...more },
  source: `${name}.yaml`,
});

describe("applying", () => {
  test("creates what is missing, namespaces first, and changes what is there", async () => {
    const api = new FakeApi();
    const namespace = { object: { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } }, source: "n.yaml" };
    const first = await applyObjects(api, [configMap("a"), namespace]);
    expect(first.map(({ kind, outcome }) => [kind.kind, outcome])).toEqual([
      ["Namespace", "created"],
      ["ConfigMap", "created"],
    ]);
    const [second] = await applyObjects(api, [configMap("a", { data: { key: "value" } })]);
    expect(second).toMatchObject({ outcome: "configured", object: { data: { key: "value" } } });
  });

  test("takes back what it created when an object is refused, and says which file", async () => {
    const api = new FakeApi();
    await applyObjects(api, [configMap("kept")]);
    await expect(applyObjects(api, [configMap("a"), configMap("kept"), configMap("b", { typo: 1 })])).rejects.toThrow(
      /b\.yaml: unknown field "typo"/,
    );
    expect([...api.objects.keys()]).toEqual(["api/v1/namespaces/default/configmaps/kept"]);
  });

  test("refuses a kind that isn't served, and says which are", async () => {
    const job = { object: { apiVersion: "batch/v1", kind: "Job", metadata: { name: "j" } }, source: "j.yaml" };
    await expect(applyObjects(new FakeApi(), [job])).rejects.toThrow(/j\.yaml: no kind Job in batch\/v1.*Deployment/);
  });
});

describe("a three-way patch", () => {
  test("says all of the new manifest, and deletes what only the last one said", () => {
    const last = { spec: { replicas: 3, template: { nodeName: "x" } } };
    const next = { spec: { template: {}, paused: true } };
    expect(threeWayPatch(last, next)).toEqual({ spec: { replicas: null, template: { nodeName: null }, paused: true } });
  });

  test("deletes named list items that are gone, and merges those that stay", () => {
    const last = { containers: [{ name: "a", image: "1", tty: true }, { name: "b" }] };
    const next = { containers: [{ name: "a", image: "2" }] };
    expect(threeWayPatch(last, next)).toEqual({
      containers: [
        { name: "a", image: "2", tty: null },
        { name: "b", $patch: "delete" },
      ],
    });
  });

  test("replaces other lists whole", () => {
    expect(threeWayPatch({ args: ["a", "b"] }, { args: ["c"] })).toEqual({ args: ["c"] });
  });
});

test.each([
  ["string", "spec.replicas", "int32", "spec.replicas: expected a whole number, got a string"],
  ["number", "spec.x", "string", "spec.x: expected a string, got a number"],
  ["object", "spec.list", "[]string", "spec.list: expected a list, got a map"],
  ["bool", "spec.other", "v1.Thing", "spec.other: expected v1.Thing, got a bool"],
])(
  "a value of the wrong type, which Kubernetes tells in words of Go, is told in its own",
  async (came, field, type, said) => {
    const message = `Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal ${came} into Go struct field DeploymentSpec.${field} of type ${type}`;
    const transport = { request: () => Promise.resolve(refusal(400, "BadRequest", message)) } as unknown as Transport;
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } };
    await expect(applyObjects(transport, [{ object, source: "a.yaml" }])).rejects.toThrow(`a.yaml: ${said}`);
  },
);
