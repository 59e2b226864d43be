// A list read page by page, from the API itself: for what no cache holds, or where a cache is not sure enough.
import type { KubeObject, Stored } from "@wherry/kube";
import type { KubeClient, Resource } from "@wherry/kube/client";
import { limits } from "./limits.ts";

/** @param namespace all of them when absent. */
export async function* pagesOf<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  namespace?: string,
): AsyncGenerator<readonly Stored<T>[], void> {
  let next = "";
  do {
    const page = await client.list(resource, {
      limit: limits.pageSize,
      ...(namespace === undefined ? {} : { namespace }),
      ...(next === "" ? {} : { continue: next }),
    });
    yield page.items;
    next = page.metadata.continue ?? "";
  } while (next !== "");
}
