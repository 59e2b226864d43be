// An API with the namespace `default`, made anew for each test of the file that imports this, and the ConfigMaps that the tests
// of lists and watches read and write there.
import { type ConfigMap, resources } from "@wherry/kube";
import { afterEach, beforeEach } from "vitest";
import { type Harness, root, startApi } from "./harness.suite.ts";
import type { ApiResponse } from "./types.ts";

export let harness: Harness;
export let abort: AbortController;
beforeEach(async () => {
  abort = new AbortController();
  harness = await startApi();
  await harness.client.create(resources.namespaces, { metadata: { name: "default" } });
});
afterEach(async () => {
  abort.abort();
  await harness.close();
});

export const configMap = (
  name: string,
  labels: Record<string, string> = {},
  data: Record<string, string> = {},
): ConfigMap => ({
  metadata: { name, namespace: "default", labels },
  data,
});

export const create = (name: string, labels?: Record<string, string>): Promise<unknown> =>
  harness.client.create(resources.configmaps, configMap(name, labels));

/** A raw GET of the ConfigMaps of `default`, as HTTP would see it. */
export const get = (query: string, accept = "application/json"): Promise<ApiResponse> =>
  harness.api.handle({
    method: "GET",
    path: ["api", "v1", "namespaces", "default", "configmaps"],
    query: new URLSearchParams(query),
    headers: { accept },
    user: root,
    signal: abort.signal,
  });

export interface ListBody {
  readonly kind: string;
  readonly message: string;
  readonly reason: string;
  readonly metadata: {
    readonly resourceVersion: string;
    readonly continue?: string;
    readonly remainingItemCount?: number;
  };
  readonly items: readonly { readonly metadata: { readonly name: string } }[];
}

export const bodyOf = ({ body }: ApiResponse): ListBody => {
  if ("json" in body) return JSON.parse(body.json) as ListBody;
  if ("object" in body) return body.object as ListBody;
  throw new Error("expected JSON");
};
