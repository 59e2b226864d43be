// The Deployment and Service that `wherry up echo.ts` generates, with the probes of the service framework
// (@wherry/service): messages on 5555, health and metrics on 9000. Nothing Wherry-specific is in them: the same objects run
// on any cluster that has the image.
import type { Deployment, KubeObject, Service } from "@wherry/kube/types";

/** The framework's defaults (packages/service: `--port`, `--admin-port`). */
const ports = { messaging: 5555, admin: 9000 } as const;

/** Changes with what the service consists of: `kubectl rollout history` and a rolling update see a new version. */
const contentAnnotation = "wherry.dev/content";

/** What the framework wants to know of its pod, from the pod itself: the same on every cluster. */
const fields = {
  POD_IP: "status.podIP",
  POD_NAME: "metadata.name",
  POD_NAMESPACE: "metadata.namespace",
  POD_UID: "metadata.uid",
} as const;

/** @param content the hash of what the service consists of */
export function serviceObjects(name: string, replicas: number, content: string): readonly KubeObject[] {
  const labels = { "app.kubernetes.io/name": name };
  const managed = { ...labels, "app.kubernetes.io/managed-by": "wherry" };
  const deployment: Deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "default", labels: managed },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      // One more before one less: a rolling update never serves with fewer than asked for.
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: {
        metadata: { labels, annotations: { [contentAnnotation]: content } },
        spec: {
          containers: [
            {
              name,
              image: `${name}:dev`,
              ports: [
                { name: "messaging", containerPort: ports.messaging },
                { name: "admin", containerPort: ports.admin },
              ],
              env: Object.entries(fields).map(([key, fieldPath]) => ({
                name: key,
                valueFrom: { fieldRef: { fieldPath } },
              })),
              // No traffic before the socket listens.
              readinessProbe: { tcpSocket: { port: "messaging" }, periodSeconds: 1 },
              // Answered by the event loop, as requests are: overloaded is alive, stuck is not. Not asked of a program that
              // is only starting.
              livenessProbe: {
                httpGet: { path: "/livez", port: "admin" },
                initialDelaySeconds: 5,
                periodSeconds: 5,
                timeoutSeconds: 2,
              },
            },
          ],
        },
      },
    },
  };
  const service: Service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "default", labels: managed },
    spec: {
      selector: labels,
      ports: [{ name: "messaging", port: ports.messaging, targetPort: "messaging" }],
    },
  };
  return [deployment, service];
}
