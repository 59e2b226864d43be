// What one may, and who one is: the answers are those that the requests themselves would get.
import { resources } from "@wherry/kube";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminToken, type Answer, startListener, type TestListener } from "./listener.suite.ts";

let server: TestListener;
let token: string;
beforeAll(async () => {
  server = await startListener();
  await server.client.create(resources.namespaces, { metadata: { name: "default" } });
  const account = { metadata: { name: "robot", namespace: "default" } };
  const { metadata } = await server.client.create(resources.serviceaccounts, account);
  const subject = { namespace: "default", account: { name: "robot", uid: metadata.uid } };
  token = (await server.tokens.issue(subject, [], 3600)).token;
});
afterAll(() => server.close());

const access = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
const ask = (path: string, who: string, spec?: object, headers?: Record<string, string>): Promise<Answer> =>
  server.send({ method: "POST", path, token: who, body: JSON.stringify({ spec }), ...(headers && { headers }) });
const allowed = async (who: string, spec: object): Promise<unknown> => {
  const { status, text } = await ask(access, who, spec);
  expect(status).toBe(201);
  return (JSON.parse(text) as { status: { allowed: unknown } }).status.allowed;
};

describe("SelfSubjectAccessReview", () => {
  it("says what the authorizer says", async () => {
    const of = (verb: string, resource: string, namespace = "default"): object => ({
      resourceAttributes: { verb, resource, namespace },
    });
    expect(await allowed(adminToken, of("delete", "secrets"))).toBe(true);
    expect(await allowed(token, of("list", "pods"))).toBe(true);
    expect(await allowed(token, of("list", "pods", "other"))).toBe(false);
    expect(await allowed(token, of("get", "secrets"))).toBe(false);
    expect(await allowed(token, of("*", "*"))).toBe(false);
    expect(await allowed(token, { nonResourceAttributes: { verb: "get", path: "/metrics" } })).toBe(false);
    expect(await allowed(token, { nonResourceAttributes: { verb: "get", path: "/version" } })).toBe(true);
  });

  it("asks for one question, by POST, and is no table", async () => {
    expect((await ask(access, token, {})).status).toBe(422);
    expect((await ask(access, token, { resourceAttributes: {}, nonResourceAttributes: {} })).status).toBe(422);
    expect((await ask(access, token, [] as object)).status).toBe(400);
    expect((await server.send({ path: access, token })).status).toBe(405);
    const table = { accept: "application/json;as=Table;g=meta.k8s.io;v=v1" };
    expect((await ask(access, token, { nonResourceAttributes: {} }, table)).status).toBe(406);
  });
});

it("SelfSubjectReview says who asks", async () => {
  const { status, text } = await ask("/apis/authentication.k8s.io/v1/selfsubjectreviews", token);
  expect(status).toBe(201);
  expect(JSON.parse(text)).toMatchObject({
    kind: "SelfSubjectReview",
    status: { userInfo: { username: "system:serviceaccount:default:robot" } },
  });
});

it("SelfSubjectRulesReview lists what a pod may, and no more", async () => {
  const { text } = await ask("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", token, { namespace: "default" });
  const { status } = JSON.parse(text) as {
    status: { resourceRules: { verbs: string[]; resources: string[] }[] };
  };
  const rules = status.resourceRules.map(({ resources: [name], verbs }) => [name, verbs.join()]).sort();
  expect(rules.slice(0, 3)).toEqual([
    ["endpoints", "get,list,watch"],
    ["endpointslices", "get,list,watch"],
    ["pods", "get,list,watch"],
  ]);
  expect(rules.flat()).not.toContain("secrets");
});
