// What runs in the cluster under test: the ledger, as anybody would deploy a service of the framework. Data only.
import { join } from "node:path";
import type { Deployment, KubeObject, Service } from "@wherry/kube/types";

const fields = { POD_IP: "status.podIP", POD_NAME: "metadata.name", POD_UID: "metadata.uid" } as const;

export const ledgerCommand: readonly string[] = ["node", join(import.meta.dirname, "ledger.ts")];

/** Only what runs on the framework answers it. */
const livenessProbe = {
  httpGet: { path: "/livez", port: "admin" },
  initialDelaySeconds: 5,
  periodSeconds: 5,
  timeoutSeconds: 2,
  failureThreshold: 6,
};

export interface LedgerOptions {
  readonly replicas: number;
  /** Where executions and effects are written down. */
  readonly folder: string;
  /** Default: `ledgerCommand`. */
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export function ledgerObjects({ replicas, folder, command, env = {} }: LedgerOptions): readonly KubeObject[] {
  const labels = { app: "ledger" };
  const deployment: Deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "ledger", namespace: "default" },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 10,
          containers: [
            {
              name: "ledger",
              image: "node",
              command: [...(command ?? ledgerCommand)],
              ports: [
                { name: "messaging", containerPort: 5555 },
                { name: "admin", containerPort: 9000 },
                { name: "http", containerPort: 8080 },
              ],
              env: [
                { name: "LEDGER_FOLDER", value: folder },
                ...Object.entries(env).map(([name, value]) => ({ name, value })),
                ...Object.entries(fields).map(([name, fieldPath]) => ({
                  name,
                  valueFrom: { fieldRef: { fieldPath } },
                })),
              ],
              readinessProbe: { tcpSocket: { port: "messaging" }, periodSeconds: 1 },
              ...(command === undefined ? { livenessProbe } : {}),
            },
          ],
        },
      },
    },
  };
  const service: Service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "ledger", namespace: "default" },
    spec: {
      selector: labels,
      ports: [
        { name: "messaging", port: 5555, targetPort: "messaging" },
        { name: "http", port: 8080, targetPort: "http" },
      ],
    },
  };
  return [deployment, service];
}
