// What kind a subresource speaks, and which verbs it has: for discovery.
import type { KindInfo } from "@wherry/kube";

export interface SubresourceInfo {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** Absent: get, patch, update. */
  readonly verbs?: readonly string[];
}

const known: Readonly<Record<string, SubresourceInfo>> = {
  scale: { group: "autoscaling", version: "v1", kind: "Scale" },
  binding: { group: "", version: "v1", kind: "Binding", verbs: ["create"] },
  eviction: { group: "policy", version: "v1", kind: "Eviction", verbs: ["create"] },
  token: { group: "authentication.k8s.io", version: "v1", kind: "TokenRequest", verbs: ["create"] },
};

export function subresourceInfo(kind: KindInfo, subresource: string): SubresourceInfo {
  const own = { group: kind.group, version: kind.version, kind: kind.kind };
  if (subresource === "log") return { ...own, verbs: ["get"] };
  if (subresource === "finalize") return { ...own, verbs: ["update"] };
  return known[subresource] ?? own;
}
