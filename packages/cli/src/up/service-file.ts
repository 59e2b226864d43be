// The Deployment and Service that `wherry up echo.ts` generates, with the probes of the service framework
// (@wherry/service): messages on 5555, health and metrics on 9000, HTTP on 8080 where the service asks for it. Nothing Wherry-specific is in them: the same objects run
// on any cluster that has the image.
import type { Deployment, KubeObject, Service } from "@wherry/kube/types";

/** The framework's defaults (packages/service: `--port`, `--admin-port`, `--http-port`). */
export const ports = { messaging: 5555, admin: 9000, http: 8080 } as const;
/** What the Service's clients see: the port that needs not be said. */
const httpServicePort = 80;

/** Changes with what the service consists of: `kubectl rollout history` and a rolling update see a new version. */
const contentAnnotation = "wherry.dev/content";

/** What the framework wants to know of its pod, from the pod itself: the same on every cluster. */
const fields = {
  POD_IP: "status.podIP",
  POD_NAME: "metadata.name",
  POD_NAMESPACE: "metadata.namespace",
  POD_UID: "metadata.uid",
} as const;

export interface ServiceFile {
  readonly name: string;
  readonly replicas: number;
  /** The hash of what the service consists of; undefined: none is written down. */
  readonly content?: string;
  /** It serves HTTP as well. */
  readonly http?: boolean;
  /** Default `NAME:dev`. */
  readonly image?: string;
}

export function serviceObjects(file: ServiceFile): readonly [Deployment, Service, ...KubeObject[]] {
  const { name, replicas, content, http = false, image = `${name}:dev` } = file;
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
        metadata: { labels, ...(content === undefined ? {} : { annotations: { [contentAnnotation]: content } }) },
        spec: {
          containers: [
            {
              name,
              image,
              ports: [
                { name: "messaging", containerPort: ports.messaging },
                { name: "admin", containerPort: ports.admin },
                ...(http ? [{ name: "http", containerPort: ports.http }] : []),
              ],
              env: [
                ...Object.entries(fields).map(([key, fieldPath]) => ({
                  name: key,
                  valueFrom: { fieldRef: { fieldPath } },
                })),
                // Said here, so that the port is listened on whatever the program looks like.
                ...(http ? [{ name: "HTTP_PORT", value: String(ports.http) }] : []),
              ],
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
      ports: [
        { name: "messaging", port: ports.messaging, targetPort: "messaging" },
        ...(http ? [{ name: "http", port: httpServicePort, targetPort: "http" }] : []),
      ],
    },
  };
  return [deployment, service];
}
