// Which kind is stored by which strategy.
import type { KindInfo } from "@wherry/kube";
import type { Strategy } from "../registry/strategy.ts";
import { namespaceStrategy } from "./namespace.ts";
import { podStrategy } from "./pod.ts";
import {
  deploymentStrategy,
  endpointSliceStrategy,
  plainStrategy,
  replicaSetStrategy,
  serviceAccountStrategy,
} from "./workloads.ts";

const byPlural: Readonly<Record<string, Strategy>> = {
  deployments: deploymentStrategy,
  endpointslices: endpointSliceStrategy,
  namespaces: namespaceStrategy,
  pods: podStrategy,
  replicasets: replicaSetStrategy,
  serviceaccounts: serviceAccountStrategy,
};

export const strategyOf = (kind: KindInfo): Strategy => byPlural[kind.plural] ?? plainStrategy;
