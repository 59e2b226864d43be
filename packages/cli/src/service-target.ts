// The service that a command names, with its pods: told at once, and with what to do, when it is not there or cannot answer.
import { resources } from "@wherry/kube";
import type { KubeClient } from "@wherry/kube/client";
import type { Pod, Service, Stored } from "@wherry/kube/types";
import { answerOf, connectApi } from "./client.ts";
import { type Client, type QueuesDescription, type ServiceDescription, ServiceError } from "@wherry/service";
import type { Context } from "./context.ts";
import { requireDaemon } from "./daemon-process.ts";
import { keyHint } from "./curve.ts";
import { CliError, nameOption, usageError } from "./errors.ts";
import { cliLimits } from "./limits.ts";
import { isPodReady, troubles } from "./up/readiness.ts";

export interface FoundService {
  readonly kube: KubeClient;
  readonly name: string;
  readonly namespace: string;
  readonly pods: readonly Stored<Pod>[];
  /** It has the port by whose name services of @wherry/service are found: one without may speak another protocol. */
  readonly hasMessagingPort: boolean;
  /** Where its pods' HTTP is, by the port of that name; undefined: it has none, or no address of its own. */
  readonly httpUrl: string | undefined;
  /** As they are by now. */
  readonly podsNow: () => Promise<readonly Stored<Pod>[]>;
}

/** Not in this cluster, or not in that namespace; what there is, is in the message. */
export class NoSuchService extends CliError {}

/**
 * @param target NAME or NAME.NAMESPACE
 * @throws CliError when there is no such service, or no pod of it can answer and none is about to.
 */
export async function findService(target: string, cluster: string, context: Context): Promise<FoundService> {
  const [name = "", namespace = "default", ...more] = target.split(".");
  if (name === "" || namespace === "" || more.length > 0)
    throw usageError(`a service is NAME or NAME.NAMESPACE, not ${JSON.stringify(target)}`);
  if (name === "kubernetes" && namespace === "default")
    throw usageError(
      `"kubernetes" is the cluster's API, and no service of @wherry/service: "wherry kubectl" talks to it`,
    );
  const daemon = requireDaemon(cluster, context);
  const { client: kube } = connectApi(daemon.paths, daemon.info);
  const { items } = await answerOf(daemon, context.clock, (signal) => kube.list(resources.services, { signal }));
  const service = serviceIn(items, name, namespace);
  const pods = await podsOf(kube, service);
  requireLivePods(service, pods, cluster);
  const hasMessagingPort = service.spec?.ports?.some((port) => port.name === "messaging") ?? false;
  const httpUrl = httpUrlOf(service);
  return { kube, name, namespace, pods, hasMessagingPort, httpUrl, podsNow: () => podsOf(kube, service) };
}

function httpUrlOf({ spec }: Stored<Service>): string | undefined {
  const port = spec?.ports?.find(({ name }) => name === "http")?.port;
  const { clusterIP = "None" } = spec ?? {};
  if (port === undefined || clusterIP === "None" || clusterIP === "") return undefined;
  return `http://${clusterIP}${port === 80 ? "" : `:${port}`}`;
}

async function podsOf(kube: KubeClient, service: Stored<Service>): Promise<readonly Stored<Pod>[]> {
  const selector = Object.entries(service.spec?.selector ?? {});
  if (selector.length === 0) return [];
  const { namespace = "default" } = service.metadata;
  const labelSelector = selector.map(([key, value]) => `${key}=${value}`).join(",");
  return (await kube.list(resources.pods, { namespace, labelSelector })).items;
}

/** A service that isn't there is told at once, rather than after the deadline. */
function serviceIn(items: readonly Stored<Service>[], name: string, namespace: string): Stored<Service> {
  const called = items.filter(({ metadata }) => metadata.name === name);
  const found = called.find(({ metadata }) => metadata.namespace === namespace);
  if (found !== undefined) return found;
  const elsewhere = called.map(({ metadata }) => metadata.namespace ?? "");
  if (elsewhere.length > 0)
    throw new NoSuchService(
      `there is no service "${name}" in namespace "${namespace}": ${name} is in ${elsewhere.join(", ")}. Call it as ${elsewhere.map((other) => `${name}.${other}`).join(", ")}`,
    );
  const names = items
    .filter(({ metadata }) => metadata.name !== "kubernetes")
    .map(({ metadata }) =>
      metadata.namespace === "default" ? metadata.name : `${metadata.name}.${metadata.namespace ?? ""}`,
    );
  throw new NoSuchService(
    `there is no service "${name}" in namespace "${namespace}". ${names.length === 0 ? "There are none yet" : `There are: ${names.join(", ")}`}`,
  );
}

/** When no pod can answer, and none is about to, that is told at once, with the reason, rather than after the deadline. */
function requireLivePods(service: Stored<Service>, items: readonly Stored<Pod>[], cluster: string): void {
  const { name, namespace = "default" } = service.metadata;
  // One that ends may answer still.
  if (items.length === 0 || items.some((pod) => isPodReady(pod) || pod.metadata.deletionTimestamp !== undefined))
    return;
  const found = troubles(items);
  if (items.some((pod) => !found.some((trouble) => trouble.pod === pod))) return;
  const reasons = new Set(
    found.map((trouble) => `${trouble.pod.metadata.name}: ${trouble.reason}: ${trouble.message}`),
  );
  const shown = [...reasons].slice(0, cliLimits.podReasonsMax).map((reason) => `  ${reason}`);
  const logs = `wherry logs${nameOption(cluster)} -n ${namespace} service/${name}`;
  throw new CliError(`no pod of service "${name}" can answer:\n${shown.join("\n")}\nSee "${logs}"`);
}

export async function describeService(client: Client, name: string): Promise<ServiceDescription> {
  return (await askService(client, name, "$describe")) as ServiceDescription;
}

/** What waits in the queues of its durable methods; undefined: it has none, or does not tell. */
export async function queuesOf(client: Client, about: ServiceDescription): Promise<QueuesDescription | undefined> {
  if (Object.values(about.methods).every(({ durable }) => durable === undefined)) return undefined;
  try {
    return (await client.call("$queues")) as QueuesDescription;
  } catch (error) {
    // Whoever may not ask, or asks a service that is older than this command, is told the rest.
    if (ServiceError.is(error)) return undefined;
    throw error;
  }
}

/** @throws CliError that says what the service is, if it cannot be asked. */
export async function askService(client: Client, name: string, question: "$describe" | "$openapi"): Promise<unknown> {
  try {
    return await client.call(question);
  } catch (error) {
    if (!ServiceError.is(error)) throw error;
    if (error.code === "NOT_FOUND")
      throw new CliError(`service "${name}" can't describe itself: its @wherry/service is older than this command`);
    if (error.code === "FORBIDDEN" || error.code === "UNAUTHORIZED")
      throw new CliError(`service "${name}" does not tell you: ${error.code}: ${error.message}`);
    const others = "; only services of @wherry/service can be described; others answer their own protocol";
    const hint = keyHint(error.message) || others;
    throw new CliError(`no pod of service "${name}" describes itself (${error.code}: ${error.message})${hint}`);
  }
}
