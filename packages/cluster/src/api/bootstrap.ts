// What is there before anybody asks: the four namespaces, and the Service at which pods find the API itself
// (k8s: pkg/controlplane/controller/{systemnamespaces,kubernetesservice}). Idempotent: run at each start.
import { type KubeObject, resources, StatusError } from "@wherry/kube";
import type { KubeClient, Resource } from "@wherry/kube/client";

export interface BootstrapOptions {
  /** ClusterIP of the `kubernetes` Service: the first of the service addresses. */
  readonly address: string;
  /** The Service's port; below 1024 it could not be bound without rights. */
  readonly port: number;
  /** Where the API server listens. */
  readonly endpoint: { readonly address: string; readonly port: number };
}

export const systemNamespaces: readonly string[] = ["default", "kube-system", "kube-public", "kube-node-lease"];

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

/** Creates the object, or brings the one that is there in line: the API server's port may be another one than last time. */
async function ensure<T extends KubeObject>(client: KubeClient, resource: Resource<T>, object: T): Promise<void> {
  try {
    await client.create(resource, object);
  } catch (problem) {
    if (!(problem instanceof StatusError) || problem.reason !== "AlreadyExists") throw problem;
    const { metadata, ...rest } = object;
    const target = {
      name: metadata?.name ?? "",
      ...(metadata?.namespace !== undefined && { namespace: metadata.namespace }),
    };
    await client.patch(resource, target, "merge", { metadata: { labels: metadata?.labels ?? {} }, ...rest });
  }
}
