// Who may do what, and what service account tokens are worth.
import { type AuthenticationTokenRequest, kinds, resources, StatusError } from "@wherry/kube";
import type { KubeClient } from "@wherry/kube/client";
import { SignJWT } from "jose";
import { createPrivateKey } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Authenticator } from "./authenticator.ts";
import { createAuthenticator, type User } from "./index.ts";
import { type Harness, root, signingKey, startApi } from "./harness.suite.ts";

const adminToken = "an-admin-token-of-enough-length";
let harness: Harness;
let authenticator: Authenticator;
beforeEach(async () => {
  harness = await startApi();
  authenticator = createAuthenticator({ adminToken, tokens: harness.tokens, lookup: harness.api });
  for (const name of ["default", "other"]) await harness.client.create(resources.namespaces, { metadata: { name } });
  await harness.client.create(resources.serviceaccounts, { metadata: { name: "robot", namespace: "default" } });
  const spec = { containers: [{ name: "c", image: "x" }] };
  for (const namespace of ["default", "other"])
    await harness.client.create(resources.pods, { metadata: { name: "p", namespace }, spec });
});
afterEach(() => harness.close());

const robot: User = {
  name: "system:serviceaccount:default:robot",
  groups: ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"],
};

const reasonOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "allowed",
    (problem: unknown) => (problem instanceof StatusError ? problem.reason : String(problem)),
  );

describe("a service account", () => {
  it("reads where the Services of its own namespace are, and no more", async () => {
    const client = harness.as(robot);
    for (const kind of kinds) {
      const own = ["pods", "services", "endpoints", "endpointslices"].includes(kind.plural);
      expect([kind.plural, await reasonOf(client.list(kind, { namespace: "default" }))]).toEqual([
        kind.plural,
        own ? "allowed" : "Forbidden",
      ]);
      expect(await reasonOf(client.list(kind, { namespace: "other" }))).toBe("Forbidden");
      expect(await reasonOf(client.list(kind))).toBe("Forbidden");
    }
  });

  it("changes nothing (48)", async () => {
    const client = harness.as(robot);
    const pod = await harness.client.get(resources.pods, "p", "default");
    const at = { name: "p", namespace: "default" };
    const attempts: readonly ((as: KubeClient) => Promise<unknown>)[] = [
      (as) => as.create(resources.pods, { ...pod, metadata: { name: "q", namespace: "default" } }),
      (as) => as.update(resources.pods, pod),
      (as) => as.updateStatus(resources.pods, pod),
      (as) => as.patch(resources.pods, at, "merge", { metadata: { labels: { a: "b" } } }),
      (as) => as.delete(resources.pods, at),
      (as) => as.createSubresource(resources.pods, at, "binding", { target: { name: "n" } } as never),
      (as) => as.createSubresource(resources.serviceaccounts, { name: "robot", namespace: "default" }, "token", {}),
      (as) => as.create(resources.namespaces, { metadata: { name: "mine" } }),
    ];
    for (const attempt of attempts) expect(await reasonOf(attempt(client))).toBe("Forbidden");
    expect(await harness.client.get(resources.pods, "p", "default")).toEqual(pod);
  });

  it("is told in Kubernetes' words", async () => {
    const problem: unknown = await harness
      .as(robot)
      .list(resources.secrets, { namespace: "other" })
      .catch((thrown: unknown) => thrown);
    expect((problem as Error).message).toBe(
      'secrets is forbidden: User "system:serviceaccount:default:robot" cannot list resource "secrets" in API group "" in the namespace "other"',
    );
  });

  it("reads discovery but not the metrics", async () => {
    const ask = async (path: string, user: User): Promise<number> => {
      const query = new URLSearchParams();
      const signal = new AbortController().signal;
      const { status } = await harness.api.handle({
        method: "GET",
        path: path.split("/"),
        query,
        headers: {},
        user,
        signal,
      });
      return status;
    };
    for (const path of ["api", "apis", "api/v1", "apis/apps/v1", "openapi/v2", "version"])
      expect(await ask(path, robot)).toBe(200);
    expect(await ask("metrics", robot)).toBe(403);
    expect(await ask("metrics", root)).toBe(200);
  });
});

describe("an unknown user", () => {
  it("may do nothing", async () => {
    const nobody = harness.as({ name: "nobody", groups: ["system:authenticated"] });
    expect(await reasonOf(nobody.list(resources.pods, { namespace: "default" }))).toBe("Forbidden");
    const pretender = harness.as({ name: "system:serviceaccount:default:robot", groups: ["system:authenticated"] });
    expect(await reasonOf(pretender.list(resources.pods, { namespace: "default" }))).toBe("Forbidden");
  });
});

describe("tokens", () => {
  const request = async (spec: AuthenticationTokenRequest["spec"]): Promise<AuthenticationTokenRequest> =>
    harness.client.createSubresource(resources.serviceaccounts, { name: "robot", namespace: "default" }, "token", {
      spec,
    } as never);
  const tokenOf = async (spec: AuthenticationTokenRequest["spec"]): Promise<string> =>
    (await request(spec)).status?.token ?? "";
  const userOf = (token: string): Promise<User | undefined> => authenticator.authenticate(`Bearer ${token}`);

  it("of an account authenticate as that account", async () => {
    const user = await userOf(await tokenOf({ audiences: [] }));
    expect(user?.name).toBe("system:serviceaccount:default:robot");
    expect(user?.groups).toEqual(["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]);
  });

  it("end after their time", async () => {
    const asked = await request({ audiences: [], expirationSeconds: 600 });
    const token = asked.status?.token ?? "";
    expect(Date.parse(asked.status?.expirationTimestamp ?? "")).toBe(harness.clock.now() + 600_000);
    expect(await userOf(token)).toBeDefined();
    await harness.clock.advance(601_000);
    expect(await userOf(token)).toBeUndefined();
    expect(await reasonOf(request({ audiences: [], expirationSeconds: 10 }))).toBe("Invalid");
  });

  it("end with their pod, and with their account", async () => {
    const pod = await harness.client.get(resources.pods, "p", "default");
    const bound = await tokenOf({
      audiences: [],
      boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "p", uid: pod.metadata.uid },
    });
    const free = await tokenOf({ audiences: [] });
    await harness.client.delete(resources.pods, { name: "p", namespace: "default" });
    expect(await userOf(bound)).toBeUndefined();
    expect(await userOf(free)).toBeDefined();
    const account = { name: "robot", namespace: "default" };
    await harness.client.delete(resources.serviceaccounts, account);
    await harness.client.create(resources.serviceaccounts, { metadata: account });
    expect(await userOf(free)).toBeUndefined();
  });

  it("are not given for a pod that is another one by now", async () => {
    expect(await reasonOf(request({ audiences: [], boundObjectRef: { kind: "Pod", name: "p", uid: "other" } }))).toBe(
      "Conflict",
    );
    expect(await reasonOf(request({ audiences: [], boundObjectRef: { kind: "Pod", name: "q" } }))).toBe("NotFound");
  });

  it("for others, of others, changed or unsigned are worth nothing", async () => {
    const other = await tokenOf({ audiences: ["vault"] });
    expect(await userOf(other)).toBeUndefined();
    const good = await tokenOf({ audiences: [] });
    const [header = "", payload = "", signature = ""] = good.split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as Record<string, unknown>;
    const changed = Buffer.from(JSON.stringify({ ...claims, sub: "system:serviceaccount:kube-system:admin" })).toString(
      "base64url",
    );
    expect(await userOf(`${header}.${changed}.${signature}`)).toBeUndefined();
    const none = Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url");
    expect(await userOf(`${none}.${payload}.`)).toBeUndefined();
    const forged = await new SignJWT(claims).setProtectedHeader({ alg: "ES256" }).sign(createPrivateKey(signingKey()));
    expect(await userOf(forged)).toBeUndefined();
    for (const nonsense of ["", "x", "a.b.c", "....", "x".repeat(20_000)])
      expect(await userOf(nonsense)).toBeUndefined();
  });
});

describe("the authenticator", () => {
  it("takes the admin token as a bearer token and in no other way", async () => {
    expect((await authenticator.authenticate(`Bearer ${adminToken}`))?.groups).toContain("system:masters");
    for (const header of [
      undefined,
      "",
      adminToken,
      `Basic ${adminToken}`,
      `Bearer ${adminToken}x`,
      `Bearer ${adminToken} ${adminToken}`,
    ])
      expect(await authenticator.authenticate(header)).toBeUndefined();
  });

  it("refuses to start with a token that can be guessed", () => {
    expect(() => createAuthenticator({ adminToken: "short", tokens: harness.tokens, lookup: harness.api })).toThrow(
      /at least/,
    );
  });
});
