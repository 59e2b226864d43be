// What `up` sees of the cluster: caches of everything that it waits for and shows, kept current by watches.
import { type Clock, type Random, silentLogger } from "@wherry/core";
import { resources } from "@wherry/kube";
import type { KubeClient } from "@wherry/kube/client";
import { createInformers, type Informer } from "@wherry/kube/controller";
import type { Deployment, EndpointSlice, Pod, ReplicaSet, Service } from "@wherry/kube/types";

/** What `up` sees of the cluster, kept current. */
export interface View {
  readonly pods: Informer<Pod>;
  readonly deployments: Informer<Deployment>;
  readonly sets: Informer<ReplicaSet>;
  readonly services: Informer<Service>;
  readonly slices: Informer<EndpointSlice>;
  /** Called after each change of any of them. */
  onChange(handler: () => void): void;
}

export async function openView(
  client: KubeClient,
  env: { readonly clock: Clock; readonly random: Random },
  signal: AbortSignal,
): Promise<View> {
  const informers = createInformers(client, { ...env, log: silentLogger });
  const view = {
    pods: informers.for(resources.pods),
    deployments: informers.for(resources.deployments),
    sets: informers.for(resources.replicasets),
    services: informers.for(resources.services),
    slices: informers.for(resources.endpointslices),
  };
  const handlers: (() => void)[] = [];
  const changed = (): void => {
    for (const handler of handlers) handler();
  };
  view.pods.onChange(changed);
  view.deployments.onChange(changed);
  view.sets.onChange(changed);
  view.services.onChange(changed);
  view.slices.onChange(changed);
  await informers.start(signal);
  return { ...view, onChange: (handler) => handlers.push(handler) };
}
