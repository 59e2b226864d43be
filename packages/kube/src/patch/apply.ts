// One door to the three kinds of patch. Server-side apply is not among them: it needs managed fields, not only the object.
import { badRequest } from "../status.ts";
import type { Json } from "../types/index.ts";
import { jsonPatch } from "./json-patch.ts";
import { mergePatch } from "./merge-patch.ts";
import { strategicMerge } from "./strategic.ts";

/** What `application/json-patch+json`, `merge-patch+json` and `strategic-merge-patch+json` mean. */
export type PlainPatchType = "json" | "merge" | "strategic";

/**
 * The patched object, as a changeable value of its own: neither `current` nor `patch` is touched, nor shared with.
 * @throws StatusError 400 for a malformed patch, 413 for too many operations, 422 for one that can't be applied to this object.
 */
export function applyPatch(
  type: PlainPatchType,
  kind: { readonly definition: string },
  current: Json,
  patch: Json,
): Json {
  switch (type) {
    case "json":
      return jsonPatch(current, patch);
    case "merge":
      if (typeof patch !== "object" || patch === null || Array.isArray(patch))
        throw badRequest("invalid merge patch: expected an object");
      return mergePatch(current, patch);
    case "strategic":
      return strategicMerge(kind.definition, current, patch);
  }
}
