// Which kind is stored by which strategy.
import type { KindInfo } from "@wherry/kube";
import type { Strategy } from "../registry/strategy.ts";
import { namespaceStrategy } from "./namespace.ts";
import { podStrategy } from "./pod.ts";
import {
  deploymentStrategy,
  disruptionBudgetStrategy,
  endpointSliceStrategy,
  plainStrategy,
  replicaSetStrategy,
  serviceAccountStrategy,
} from "./workloads.ts";

const byPlural: Readonly<Record<string, Strategy>> = {
  deployments: deploymentStrategy,
  endpointslices: endpointSliceStrategy,
  namespaces: namespaceStrategy,
  poddisruptionbudgets: disruptionBudgetStrategy,
  pods: podStrategy,
  replicasets: replicaSetStrategy,
  serviceaccounts: serviceAccountStrategy,
};

export const strategyOf = (kind: KindInfo): Strategy => byPlural[kind.plural] ?? plainStrategy;
