// Which broker is meant when nothing names one: pods of a cluster and programs beside it mean the same file, two clusters never do.
import { expect, test } from "vitest";
import { ownNamespace } from "./namespace.ts";
import { brokerUrlOf, parseBrokerUrl } from "./url.ts";

const none: (path: string) => boolean = () => false;
const fileOf = (env: Record<string, string>, exists = none): unknown => parseBrokerUrl(brokerUrlOf(env, exists));

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
  const exists = (path: string): boolean => path === "/elsewhere/lab/place.json";
  expect(fileOf(env, exists)).toMatchObject({ path: "/elsewhere/lab/durable.db" });
  expect(fileOf(env)).toMatchObject({ path: "/home/me/.local/state/wherry/default/durable.db" });
});

test("where pods are on several machines there is no default", () => {
  expect(() => brokerUrlOf({ KUBERNETES_SERVICE_HOST: "10.96.0.1" })).toThrow(
    expect.objectContaining({ code: "BROKER_URL_INVALID" }),
  );
});

test("the namespace is the pod's, else default", () => {
  expect(ownNamespace({ POD_NAMESPACE: "shop" })).toBe("shop");
  expect(ownNamespace({})).toBe("default");
  expect(ownNamespace({ KUBERNETES_SERVICE_HOST: "10.96.0.1", WHERRY_SERVICEACCOUNT_DIR: "/none" })).toBe("default");
});
