// Two programs with a service of the same name: who was there first keeps it.
import { resources } from "@wherry/kube";
import type { KubeClient } from "@wherry/kube/client";
import { expect, test } from "vitest";
import { refuseClashes } from "./clash.ts";
import { type ServiceFile, serviceObjects } from "./service-file.ts";

const file = (name: string, service: string): ServiceFile => ({ name, service, replicas: 1 });
const [shopDeployment, shopService] = serviceObjects(file("shop", "store"));

/** A cluster with these objects. */
const cluster = (deployments: readonly unknown[], services: readonly unknown[]): KubeClient =>
  ({
    list: (kind: unknown) => Promise.resolve({ items: kind === resources.services ? services : deployments }),
  }) as unknown as KubeClient;

test("a service that another program runs keeps its pods, and it is said what to do", async () => {
  const both = cluster([shopDeployment], [shopService]);
  await expect(refuseClashes(both, [file("other", "store")], "default")).rejects.toThrow(
    /service "store" is run by "shop", and "other" would take its name: .*wherry kubectl delete deployment shop$/,
  );
});

test("a program's own service, one whose program is gone, one of a manifest, and another one are no clash", async () => {
  const both = cluster([shopDeployment], [shopService]);
  await refuseClashes(both, [file("shop", "store")], "default");
  await refuseClashes(both, [file("other", "another")], "default");
  await refuseClashes(cluster([], [shopService]), [file("other", "store")], "default");
  const own = { metadata: { name: "store" }, spec: { selector: { "app.kubernetes.io/name": "shop" } } };
  await refuseClashes(cluster([shopDeployment], [own]), [file("other", "store")], "default");
});
