// What a service's manifest says beside what `wherry up` needs, for a cluster that others share: who the process is, what it may use,
// how long it may take to leave, and how many may leave at once. Pure.
import type { Deployment, KubeObject } from "@wherry/kube/types";
import { type ServiceFile, serviceObjects } from "./service-file.ts";

/** The numeric user of the generated Dockerfile: `runAsNonRoot` can only be checked of a number. */
export const nonRootUser = 65_532;
/** Seconds: the framework's drain takes 5 and its last flush 1; the rest is for a machine that is busy. */
const graceSeconds = 15;

export function productionObjects(file: ServiceFile): readonly KubeObject[] {
  const [deployment, ...services] = serviceObjects(file);
  const { name } = file;
  const disruption = {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: { name, namespace: "default", labels: { ...deployment.metadata?.labels } },
    spec: { maxUnavailable: 1, selector: { matchLabels: { "app.kubernetes.io/name": name } } },
  };
  return [hardened(deployment), ...services, disruption];
}

function hardened(deployment: Deployment): Deployment {
  const { spec } = deployment;
  if (spec?.template.spec === undefined) return deployment;
  const { containers, ...pod } = spec.template.spec;
  return {
    ...deployment,
    spec: {
      ...spec,
      template: {
        ...spec.template,
        spec: {
          ...pod,
          terminationGracePeriodSeconds: graceSeconds,
          securityContext: { runAsNonRoot: true, runAsUser: nonRootUser, seccompProfile: { type: "RuntimeDefault" } },
          containers: containers.map((container) => ({
            ...container,
            // Memory has a limit, because a leak must end one pod and not a node; CPU has none, because throttling only makes late.
            resources: { requests: { cpu: "50m", memory: "96Mi" }, limits: { memory: "256Mi" } },
            securityContext: {
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
              capabilities: { drop: ["ALL"] },
            },
          })),
        },
      },
    },
  };
}
