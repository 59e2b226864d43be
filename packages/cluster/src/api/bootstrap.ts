// What is there before anybody asks: the four namespaces, and the Service at which pods find the API itself
// (k8s: pkg/controlplane/controller/{systemnamespaces,kubernetesservice}). Idempotent: run at each start.
import { asError, type Clock, type Logger } from "@wherry/core";
import { type KubeObject, resources, StatusError } from "@wherry/kube";
import type { KubeClient, Resource } from "@wherry/kube/client";
import { limits } from "./limits.ts";

export interface BootstrapOptions {
  /** ClusterIP of the `kubernetes` Service: the first of the service addresses. */
  readonly address: string;
  /** The Service's port; below 1024 it could not be bound without rights. */
  readonly port: number;
  /** Where the API server listens. */
  readonly endpoint: { readonly address: string; readonly port: number };
}

const systemNamespaces = ["default", "kube-system", "kube-public", "kube-node-lease"];

const name = "kubernetes";
const namespace = "default";
const labels = { component: "apiserver", provider: "kubernetes" };

export async function bootstrapObjects(client: KubeClient, options: BootstrapOptions): Promise<void> {
  await Promise.all(
    systemNamespaces.map((namespaceName) =>
      ensure(client, resources.namespaces, { metadata: { name: namespaceName } }),
    ),
  );
  const { address, port, endpoint } = options;
  const portName = "https";
  await ensure(client, resources.services, {
    metadata: { name, namespace, labels },
    spec: {
      clusterIP: address,
      type: "ClusterIP",
      sessionAffinity: "None",
      ports: [{ name: portName, port, protocol: "TCP", targetPort: endpoint.port }],
    },
  });
  // No selector: these two are the API server's own, and the EndpointSlice controller leaves them alone.
  await ensure(client, resources.endpoints, {
    metadata: { name, namespace, labels: { "endpointslice.kubernetes.io/skip-mirror": "true" } },
    subsets: [
      { addresses: [{ ip: endpoint.address }], ports: [{ name: portName, port: endpoint.port, protocol: "TCP" }] },
    ],
  });
  await ensure(client, resources.endpointslices, {
    metadata: { name, namespace, labels: { "kubernetes.io/service-name": name } },
    addressType: "IPv4",
    endpoints: [{ addresses: [endpoint.address], conditions: { ready: true } }],
    ports: [{ name: portName, port: endpoint.port, protocol: "TCP" }],
  });
}

/**
 * Runs `bootstrapObjects` again and again, so that `kubectl delete service --all` does not take the API from the pods.
 * Ends with the signal; a failure is logged and tried again.
 */
export async function keepBootstrapObjects(
  client: KubeClient,
  options: BootstrapOptions,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await clock.sleep(limits.bootstrapEveryMs, signal);
      await bootstrapObjects(client, options);
    } catch (problem) {
      if (!isAborted(signal))
        log.warn({ err: asError(problem) }, "the API's own objects could not be kept; trying again");
    }
  }
}

const isAborted = (signal: AbortSignal): boolean => signal.aborted;

/** Creates the object, or brings the one that is there in line: the API server's port may be another one than last time. */
async function ensure<T extends KubeObject>(client: KubeClient, resource: Resource<T>, object: T): Promise<void> {
  const { metadata, ...rest } = object;
  const objectName = metadata?.name ?? "";
  try {
    await client.get(resource, objectName, metadata?.namespace);
  } catch (problem) {
    if (!hasReason(problem, "NotFound")) throw problem;
    try {
      await client.create(resource, object);
      return;
    } catch (raced) {
      if (!hasReason(raced, "AlreadyExists")) throw raced;
    }
  }
  if (Object.keys(rest).length === 0) return;
  const target = { name: objectName, ...(metadata?.namespace !== undefined && { namespace: metadata.namespace }) };
  await client.patch(resource, target, "merge", { metadata: { labels: metadata?.labels ?? {} }, ...rest });
}

const hasReason = (problem: unknown, reason: string): boolean =>
  problem instanceof StatusError && problem.reason === reason;
