// `wherry status`: what runs, as `{ name, pid, server, kubeconfig, dashboard, nodes, pods, services }`.
import { resources } from "@wherry/kube";
import type { ContainerStatus, Node, Pod, Service, Stored } from "@wherry/kube/types";
import { answerOf, connectApi } from "../client.ts";
import type { Context } from "../context.ts";
import { requireDaemon } from "../daemon-process.ts";
import { type OutputFormat, printData } from "../output.ts";
import type { CommonOptions } from "../common-options.ts";
import { table } from "../terminal.ts";

export interface StatusOptions extends CommonOptions {
  readonly output?: OutputFormat;
}

/** What `--output json` prints. */
interface ClusterStatus {
  readonly name: string;
  readonly pid: number;
  readonly server: string;
  readonly kubeconfig: string;
  /** The web page's address; null while there is none. */
  readonly dashboard: string | null;
  readonly nodes: readonly { readonly name: string; readonly ready: boolean }[];
  readonly pods: readonly PodSummary[];
  readonly services: readonly {
    readonly namespace: string;
    readonly name: string;
    readonly clusterIP: string | null;
    readonly ports: readonly number[];
  }[];
}

interface PodSummary {
  readonly namespace: string;
  readonly name: string;
  /** As kubectl's STATUS column: the phase, or why a container waits. */
  readonly status: string;
  readonly ready: boolean;
  readonly restarts: number;
  readonly ip: string | null;
  readonly node: string | null;
}

export async function status(options: StatusOptions, context: Context): Promise<number> {
  const daemon = requireDaemon(options.name, context);
  const { paths, info } = daemon;
  const { client } = connectApi(paths, info);
  const [nodes, pods, services] = await answerOf(daemon, context.clock, (signal) =>
    Promise.all([
      client.list(resources.nodes, { signal }),
      client.list(resources.pods, { signal }),
      client.list(resources.services, { signal }),
    ]),
  );
  const data: ClusterStatus = {
    name: options.name,
    pid: info.pid,
    server: info.server,
    kubeconfig: paths.kubeconfig,
    dashboard: null,
    nodes: nodes.items.map((node) => ({ name: node.metadata.name, ready: isNodeReady(node) })),
    pods: pods.items.map(podSummary),
    services: services.items.map(serviceSummary),
  };
  if (options.output === undefined) printStatus(data, context);
  else await printData(data, [data.name], options.output, context.terminal);
  return 0;
}

function printStatus(data: ClusterStatus, { terminal }: Context): void {
  terminal.out(`cluster     ${data.name} (pid ${data.pid})`);
  terminal.out(`server      ${data.server}`);
  terminal.out(`kubeconfig  ${data.kubeconfig}`);
  terminal.out(
    `nodes       ${data.nodes.map(({ name, ready }) => `${name}${ready ? "" : " (not ready)"}`).join(", ")}`,
  );
  const uneasy = new Set(data.pods.filter(({ ready, status }) => !ready && status !== "Completed").map(rowName));
  const sections: string[][][] = [
    data.pods.map((pod) => [
      rowName(pod),
      pod.status,
      pod.ready ? "ready" : "not ready",
      `${pod.restarts} restarts`,
      pod.ip ?? "-",
      pod.node ?? "-",
    ]),
    data.services.map((service) => [
      `${service.namespace}/${service.name}`,
      service.ports.map((port) => `${service.clusterIP ?? ""}:${port}`).join(", "),
    ]),
  ];
  for (const [title, rows] of [
    ["pods", sections[0] ?? []],
    ["services", sections[1] ?? []],
  ] as const) {
    if (rows.length === 0) continue;
    terminal.out(`\n${title}`);
    for (const [index, line] of table(rows).entries()) {
      const text = terminal.clean(`  ${line}`);
      terminal.out(title === "pods" && uneasy.has(rows[index]?.[0] ?? "") ? terminal.style("yellow", text) : text);
    }
  }
}

const rowName = (pod: PodSummary): string => `${pod.namespace}/${pod.name}`;

const isNodeReady = (node: Stored<Node>): boolean =>
  node.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;

function podSummary(pod: Stored<Pod>): PodSummary {
  const statuses = pod.status?.containerStatuses ?? [];
  return {
    namespace: pod.metadata.namespace ?? "default",
    name: pod.metadata.name,
    status:
      pod.metadata.deletionTimestamp === undefined
        ? (reason(statuses) ?? pod.status?.phase ?? "Pending")
        : "Terminating",
    ready: pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false,
    restarts: statuses.reduce((sum, { restartCount }) => sum + restartCount, 0),
    ip: pod.status?.podIP ?? null,
    node: pod.spec?.nodeName ?? null,
  };
}

const reason = (statuses: readonly ContainerStatus[]): string | undefined =>
  statuses.map(({ state }) => state?.waiting?.reason ?? state?.terminated?.reason).find((text) => text !== undefined);

function serviceSummary(service: Stored<Service>): ClusterStatus["services"][number] {
  const ip = service.spec?.clusterIP;
  return {
    namespace: service.metadata.namespace ?? "default",
    name: service.metadata.name,
    clusterIP: ip === undefined || ip === "" || ip === "None" ? null : ip,
    ports: (service.spec?.ports ?? []).map(({ port }) => port),
  };
}
