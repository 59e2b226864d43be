// Good objects of each kind, for the tests of validation: one plain object, and a way to change it.
import { applyDefaults } from "../defaults/apply.ts";
import { applyPatch } from "../patch/apply.ts";
import { parseYaml } from "../parse/parse.ts";
import { type KindInfo, resources } from "../schema/kinds.ts";
import type { Json, KubeObject } from "../types/index.ts";
import { deepFreeze } from "../value.ts";

const good = {
  pods: "metadata: {name: x}\nspec: {containers: [{name: c, image: i}]}",
  deployments: `
metadata: {name: x}
spec:
  selector: {matchLabels: {app: x}}
  template: {metadata: {labels: {app: x}}, spec: {containers: [{name: c, image: i}]}}`,
  services: "metadata: {name: x}\nspec: {selector: {app: x}, ports: [{port: 80}]}",
  configmaps: "metadata: {name: x}\ndata: {a: b}",
  secrets: "metadata: {name: x}\nstringData: {a: b}",
  namespaces: "metadata: {name: x}",
  serviceaccounts: "metadata: {name: x}",
  nodes: "metadata: {name: x}",
  events: "metadata: {name: x.1, namespace: n}\ninvolvedObject: {kind: Pod, name: x}",
  endpoints: "metadata: {name: x}\nsubsets: [{addresses: [{ip: 127.1.64.1}], ports: [{port: 80}]}]",
  endpointslices: "metadata: {name: x}\naddressType: IPv4\nendpoints: [{addresses: [127.1.64.1]}]\nports: [{port: 80}]",
  poddisruptionbudgets: "metadata: {name: x}\nspec: {maxUnavailable: 1, selector: {matchLabels: {app: x}}}",
  replicasets: `
metadata: {name: x}
spec:
  selector: {matchLabels: {app: x}}
  template: {metadata: {labels: {app: x}}, spec: {containers: [{name: c, image: i}]}}`,
} as const satisfies Record<keyof typeof resources, string>;

export type Plural = keyof typeof good;
export const plurals: readonly Plural[] = Object.keys(good) as Plural[];
export const kindOf = (plural: Plural): KindInfo => resources[plural];

/** A good object with a merge patch on top, defaulted. */
export function object(plural: Plural, change: Json = {}): KubeObject {
  const changed = applyPatch("strategic", kindOf(plural), parseYaml(good[plural]).value, change);
  return deepFreeze(applyDefaults(kindOf(plural), changed as KubeObject));
}
