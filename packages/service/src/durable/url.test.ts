// Which broker is meant when nothing names one: pods of a cluster and programs beside it mean the same file, two clusters never do.
import { describe, expect, test } from "vitest";
import { ownNamespace } from "./namespace.ts";
import { brokerUrlOf, type Files, parseBrokerUrl } from "./url.ts";

/** Files by path, with their texts. */
const filesOf = (texts: Readonly<Record<string, string>>): Files => ({
  exists: (path) => path in texts,
  read: (path) => texts[path] ?? "",
});
const fileOf = (env: Record<string, string>, texts: Readonly<Record<string, string>> = {}): unknown =>
  parseBrokerUrl(brokerUrlOf(env, filesOf(texts)));

test.each([
  ["BROKER_URL before all else", { BROKER_URL: "sqlite:///a/b.db", WHERRY_CLUSTER_DIR: "/w/lab" }, "/a/b.db"],
  ["the cluster that a pod is told", { WHERRY_CLUSTER_DIR: "/w/lab", HOME: "/home/me" }, "/w/lab/durable.db"],
  ["the default cluster, outside", { HOME: "/home/me" }, "/home/me/.local/state/wherry/default/durable.db"],
  ["the one that WHERRY_NAME names", { WHERRY_HOME: "/w", WHERRY_NAME: "lab" }, "/w/lab/durable.db"],
  ["XDG_STATE_HOME's", { HOME: "/home/me", XDG_STATE_HOME: "/x" }, "/x/wherry/default/durable.db"],
  ["a path with characters that URLs escape", { WHERRY_HOME: "/w?#% é" }, "/w?#% é/default/durable.db"],
])("%s", (_what, env, path) => {
  expect(fileOf(env)).toEqual({ kind: "sqlite", path });
});

test("KUBECONFIG's cluster is meant if it is one of Wherry's, wherever that keeps its state", () => {
  const env = { HOME: "/home/me", KUBECONFIG: "/elsewhere/lab/kubeconfig" };
  const texts = { "/elsewhere/lab/place.json": "{}", "/elsewhere/lab/kubeconfig": "{}" };
  expect(fileOf(env, texts)).toMatchObject({ path: "/elsewhere/lab/durable.db" });
  expect(fileOf(env)).toMatchObject({ path: "/home/me/.local/state/wherry/default/durable.db" });
});

describe("a KUBECONFIG of the user's own", () => {
  const env = { HOME: "/home/me", WHERRY_HOME: "/w", KUBECONFIG: "/none:/home/me/.kube/config" };
  const place = { "/w/lab/place.json": "{}" };

  test.each([
    ["YAML", "apiVersion: v1\ncurrent-context: wherry-lab\n"],
    ["JSON", '{ "apiVersion": "v1",\n  "current-context": "wherry-lab" }'],
  ])("into which one of Wherry's clusters was merged, as %s, means that", (_form, text) => {
    expect(fileOf(env, { ...place, "/home/me/.kube/config": text })).toMatchObject({ path: "/w/lab/durable.db" });
  });

  test("of another cluster is refused: calls once went to a file that no pod of it reads", () => {
    const texts = { ...place, "/home/me/.kube/config": "current-context: production\n" };
    expect(() => fileOf(env, texts)).toThrow(
      expect.objectContaining({
        code: "BROKER_URL_INVALID",
        message: expect.stringContaining("/home/me/.kube/config"),
      }),
    );
    expect(fileOf({ ...env, WHERRY_NAME: "lab" }, texts)).toMatchObject({ path: "/w/lab/durable.db" });
    expect(fileOf({ ...env, BROKER_URL: "sqlite:///a.db" }, texts)).toMatchObject({ path: "/a.db" });
  });
});

test("where pods are on several machines there is no default", () => {
  expect(() => brokerUrlOf({ KUBERNETES_SERVICE_HOST: "10.96.0.1" })).toThrow(
    expect.objectContaining({ code: "BROKER_URL_INVALID" }),
  );
});

test("the namespace is the pod's; outside of one nobody has said it", () => {
  expect(ownNamespace({ POD_NAMESPACE: "shop" })).toBe("shop");
  expect(ownNamespace({})).toBeUndefined();
  expect(ownNamespace({ KUBERNETES_SERVICE_HOST: "10.96.0.1", WHERRY_SERVICEACCOUNT_DIR: "/none" })).toBe("default");
});
