// The Deployment and Service that `wherry up echo.ts` generates, with the probes of the service framework (@wherry/service): messages on
// 5555, health and metrics on 9000, HTTP on 8080 where the service asks for it. A program that runs several services gets a Service for
// each. Nothing Wherry-specific is in them: the same objects run on any cluster that has the image.
import type { Deployment, Pod, Service } from "@wherry/kube/types";

/** The framework's defaults (packages/service: `--port`, `--admin-port`, `--http-port`). */
export const ports = { messaging: 5555, admin: 9000, http: 8080 } as const;
/** What the Service's clients see: the port that needs not be said. */
const httpServicePort = 80;

/** Changes with what the service consists of: `kubectl rollout history` and a rolling update see a new version. */
const contentAnnotation = "wherry.dev/content";

/** Whether the pod runs a file or package that was given to `up`. */
export const isOfServiceFile = ({ metadata }: Pod): boolean => metadata?.annotations?.[contentAnnotation] !== undefined;

/** What the framework wants to know of its pod, from the pod itself: the same on every cluster. */
const fields = {
  POD_IP: "status.podIP",
  POD_NAME: "metadata.name",
  POD_NAMESPACE: "metadata.namespace",
  POD_UID: "metadata.uid",
} as const;

/** One of the services that a program runs. */
interface ServicePart {
  readonly name: string;
  readonly port: number;
  /** It serves HTTP as well. */
  readonly httpPort: number | undefined;
}

export interface ServiceFile {
  /** Of the program, and of its Deployment. */
  readonly name: string;
  /** What the one service is called, if not so. */
  readonly service?: string;
  readonly replicas: number;
  /** The hash of what the service consists of; undefined: none is written down. */
  readonly content?: string;
  /** It serves HTTP as well. */
  readonly http?: boolean;
  /** Default `NAME:dev`. */
  readonly image?: string;
  /** The services, if the program runs several: each gets a Service of its own, and all are the same pods. */
  readonly several?: { readonly parts: readonly ServicePart[]; readonly adminPort: number };
}

interface Port {
  readonly name: string;
  readonly containerPort: number;
}

export function serviceObjects(file: ServiceFile): readonly [Deployment, ...Service[]] {
  const { name, replicas, content, http = false, image = `${name}:dev`, several, service = name } = file;
  const one: ServicePart = { name: service, port: ports.messaging, httpPort: http ? ports.http : undefined };
  const parts = (several?.parts ?? [one]).map(withPorts);
  const labels = { "app.kubernetes.io/name": name };
  const deployment: Deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "default", labels: { ...labels, ...managed } },
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
                ...parts.map(({ messaging }) => messaging),
                { name: "admin", containerPort: several?.adminPort ?? ports.admin },
                ...parts.flatMap(({ http: port }) => port ?? []),
              ],
              env: [
                ...Object.entries(fields).map(([key, fieldPath]) => ({
                  name: key,
                  valueFrom: { fieldRef: { fieldPath } },
                })),
                // Said here, so that the port is listened on whatever the program looks like; of several, each says for itself.
                ...(http && several === undefined ? [{ name: "HTTP_PORT", value: String(ports.http) }] : []),
              ],
              // No traffic before the socket listens; of several, before all do.
              readinessProbe: {
                ...(several === undefined
                  ? { tcpSocket: { port: "messaging" } }
                  : { httpGet: { path: "/readyz", port: "admin" } }),
                periodSeconds: 1,
              },
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
  return [deployment, ...parts.map((part) => serviceOf(part, labels, name))];
}

const managed = { "app.kubernetes.io/managed-by": "wherry" };

/** What clients call the services of a program. */
export const servicesOf = ({ name, service = name, several }: ServiceFile): readonly string[] =>
  several?.parts.map((part) => part.name) ?? [service];

/** The program that runs a Service which was generated; undefined for any other. */
export function programOf({ metadata, spec }: Service): string | undefined {
  const isGenerated = metadata?.labels?.["app.kubernetes.io/managed-by"] === managed["app.kubernetes.io/managed-by"];
  return isGenerated ? spec?.selector?.["app.kubernetes.io/name"] : undefined;
}

interface PartPorts {
  readonly name: string;
  readonly messaging: Port;
  readonly http: Port | undefined;
}

/** The container's names of a part's ports: `messaging`, `messaging-2`, … A port's name is too short for a service's. */
function withPorts({ name, port, httpPort }: ServicePart, index: number): PartPorts {
  const ending = index === 0 ? "" : `-${index + 1}`;
  return {
    name,
    messaging: { name: `messaging${ending}`, containerPort: port },
    http: httpPort === undefined ? undefined : { name: `http${ending}`, containerPort: httpPort },
  };
}

/** Clients find its pods by the port's name, which is the same for every service. @param program its name */
function serviceOf(
  { name, messaging, http }: PartPorts,
  selector: Readonly<Record<string, string>>,
  program: string,
): Service {
  const labels = {
    "app.kubernetes.io/name": name,
    ...(program === name ? {} : { "app.kubernetes.io/part-of": program }),
    ...managed,
  };
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "default", labels },
    spec: {
      selector,
      ports: [
        { name: "messaging", port: ports.messaging, targetPort: messaging.name },
        ...(http === undefined ? [] : [{ name: "http", port: httpServicePort, targetPort: http.name }]),
      ],
    },
  };
}
