// The typed client puts the right requests to the API and makes errors of its refusals; the transport is a double that notes them.
import { WherryError } from "@wherry/core";
import { describe, expect, test } from "vitest";
import { resources } from "../schema/kinds.ts";
import { StatusError } from "../status.ts";
import { createClient } from "./client.ts";
import type { Transport, TransportRequest, TransportResponse } from "./types.ts";

function recording(answer: TransportResponse = { status: 200, body: {} }, onWarning?: (text: string) => void) {
  const requests: TransportRequest[] = [];
  const transport: Transport = {
    request: (request) => {
      requests.push(request);
      return Promise.resolve(answer);
    },
    async *watch(request) {
      requests.push(request);
    },
  };
  return { requests, client: createClient(transport, onWarning === undefined ? {} : { onWarning }) };
}

const line = (request: TransportRequest | undefined): string =>
  `${request?.method} /${request?.path.join("/")}?${request?.query?.toString() ?? ""}`;

describe("a client", () => {
  test("asks at the path of the resource, with the options as query", async () => {
    const { client, requests } = recording();
    await client.get(resources.pods, "p", "shop");
    await client.get(resources.nodes, "n");
    await client.list(resources.deployments);
    await client.list(resources.pods, { namespace: "shop", labelSelector: "app=echo,!old", limit: 5, continue: "x/y" });
    await client
      .watch(resources.services, { resourceVersion: "7", allowWatchBookmarks: true })
      [Symbol.asyncIterator]()
      .next();
    await client.update(
      resources.pods,
      { metadata: { name: "p", namespace: "shop" } },
      { fieldManager: "me", dryRun: true },
    );
    await client.updateStatus(resources.nodes, { metadata: { name: "n" } });
    await client.createSubresource(resources.pods, { name: "p", namespace: "shop" }, "binding", {});
    await client.delete(resources.pods, { name: "p", namespace: "shop" });
    expect(requests.map(line)).toEqual([
      "GET /api/v1/namespaces/shop/pods/p?",
      "GET /api/v1/nodes/n?",
      "GET /apis/apps/v1/deployments?",
      "GET /api/v1/namespaces/shop/pods?labelSelector=app%3Decho%2C%21old&limit=5&continue=x%2Fy",
      "GET /api/v1/services?resourceVersion=7&watch=true&allowWatchBookmarks=true",
      "PUT /api/v1/namespaces/shop/pods/p?fieldManager=me&dryRun=All",
      "PUT /api/v1/nodes/n/status?",
      "POST /api/v1/namespaces/shop/pods/p/binding?",
      "DELETE /api/v1/namespaces/shop/pods/p?",
    ]);
  });

  test("sends patches with the content type of their kind", async () => {
    const { client, requests } = recording();
    const target = { name: "d", namespace: "shop", subresource: "scale" };
    for (const type of ["json", "merge", "strategic", "apply"] as const)
      await client.patch(resources.deployments, target, type, { spec: { replicas: 2 } });
    expect(requests.map((request) => request.contentType)).toEqual([
      "application/json-patch+json",
      "application/merge-patch+json",
      "application/strategic-merge-patch+json",
      "application/apply-patch+yaml",
    ]);
    expect(line(requests[0])).toBe("PATCH /apis/apps/v1/namespaces/shop/deployments/d/scale?");
  });

  test("adds apiVersion and kind where the caller left them out, and sends delete options as a body", async () => {
    const { client, requests } = recording();
    await client.create(resources.deployments, { metadata: { name: "d", namespace: "shop" } });
    await client.delete(
      resources.pods,
      { name: "p", namespace: "shop" },
      { gracePeriodSeconds: 0, preconditions: { uid: "u" } },
    );
    expect(requests[0]?.body).toMatchObject({ apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "d" } });
    expect(requests[1]?.body).toEqual({
      apiVersion: "v1",
      kind: "DeleteOptions",
      gracePeriodSeconds: 0,
      preconditions: { uid: "u" },
    });
  });

  test("throws a refusal as a StatusError with Kubernetes' reason", async () => {
    const status = { kind: "Status", status: "Failure", reason: "Conflict", message: "modified", code: 409 };
    const { client } = recording({ status: 409, body: status });
    const error = await client.get(resources.pods, "p", "shop").catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StatusError);
    expect(error).toMatchObject({ reason: "Conflict", code: "KUBE_CONFLICT", httpStatus: 409, message: "modified" });
  });

  test("makes a StatusError of an answer that is no Status, with an excerpt of it", async () => {
    const { client } = recording({ status: 502, body: `<html>${"x".repeat(10_000)}` });
    const error = (await client.list(resources.pods).catch((thrown: unknown) => thrown)) as StatusError;
    expect(error).toBeInstanceOf(StatusError);
    expect(error.httpStatus).toBe(502);
    expect(error.message).toContain("GET /api/v1/pods with 502, saying: <html>");
    expect(error.message.length).toBeLessThan(700);
  });

  test("passes warnings on", async () => {
    const warnings: string[] = [];
    const answer = { status: 201, body: {}, warnings: ['unknown field "spec.x"'] };
    const { client } = recording(answer, (text) => warnings.push(text));
    await client.create(resources.namespaces, { metadata: { name: "n" } });
    expect(warnings).toEqual(['unknown field "spec.x"']);
  });

  test("says what is missing instead of asking at a wrong path", async () => {
    const { client, requests } = recording();
    const noNamespace = client.get(resources.pods, "p").catch((thrown: unknown) => thrown);
    const noName = client.update(resources.nodes, { metadata: {} }).catch((thrown: unknown) => thrown);
    expect(WherryError.is(await noNamespace, "KUBE_CLIENT_TARGET")).toBe(true);
    expect(String(await noName)).toContain("expected the name of one of nodes");
    expect(requests).toEqual([]);
  });
});
