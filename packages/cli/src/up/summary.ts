// The few lines that `wherry up` ends with: pods and their addresses, services, the kubeconfig, what to try next.
import type { Pod, Service, Stored } from "@wherry/kube/types";
import type { Context } from "../context.ts";
import { cliLimits } from "../limits.ts";
import { table } from "../terminal.ts";

export interface Summary {
  readonly cluster: string;
  readonly pods: readonly Stored<Pod>[];
  readonly services: readonly Stored<Service>[];
  readonly kubeconfig: string;
  /** Services of this `up` that were given as files: for the commands to try. */
  readonly calls: readonly string[];
  /** Objects that this `up` applied. */
  readonly applied: number;
  /** Deployments from before, which run beside. */
  readonly others: readonly string[];
  /** The Deployments that these run in. */
  readonly deployments: readonly string[];
  readonly elapsedMs: number;
  readonly detached: boolean;
  /** Else the caller has said what is not. */
  readonly ready: boolean;
}

export function printSummary(summary: Summary, context: Context): void {
  const { terminal, self } = context;
  const { pods, services } = summary;
  const seconds = (summary.elapsedMs / 1000).toFixed(2);
  const done = summary.ready ? `, ready in ${seconds} s` : ", not all ready";
  terminal.out(
    terminal.style(summary.ready ? "green" : "yellow", `✓ ${summary.cluster} is up: ${whatOf(summary)}${done}`),
  );
  const namespaced = [...pods, ...services].some(({ metadata }) => metadata.namespace !== "default");
  const name = (object: Pick<Stored<Pod>, "metadata">): string =>
    (namespaced ? `${object.metadata.namespace ?? ""}/` : "") + object.metadata.name;
  if (pods.length > 0) {
    terminal.out("");
    const rows = pods.map((pod) => [name(pod), pod.status?.podIP ?? "-", pod.spec?.nodeName ?? "-"]);
    for (const line of table([["POD", "ADDRESS", "NODE"], ...rows])) terminal.out(terminal.clean(`  ${line}`));
  }
  if (services.length > 0) {
    terminal.out("");
    const rows = services.map((service) => [name(service), addresses(service)]);
    for (const line of table([["SERVICE", "ADDRESS"], ...rows])) terminal.out(terminal.clean(`  ${line}`));
  }
  if (summary.others.length > 0) {
    terminal.out("");
    terminal.out(terminal.clean(`  From before, and still running: ${namesOf(summary.others)}`));
  }
  terminal.out("");
  terminal.out(`  kubeconfig  ${summary.kubeconfig}`);
  terminal.out("");
  const option = summary.cluster === "default" ? "" : ` --name ${summary.cluster}`;
  terminal.out(
    terminal.style(
      "dim",
      summary.detached ? "Try next:" : "Try next, in a second terminal (Ctrl-C here stops everything):",
    ),
  );
  for (const command of suggestions(summary)) terminal.out(`  ${self} ${command(option)}`);
}

function whatOf({ pods, applied }: Summary): string {
  if (pods.length > 0) return pods.length === 1 ? "1 pod" : `${pods.length} pods`;
  if (applied === 0) return "an empty cluster";
  return `${applied === 1 ? "1 object" : `${applied} objects`} applied, no pods among them`;
}

function namesOf(others: readonly string[]): string {
  const more = others.length - cliLimits.othersShown;
  return `${others.slice(0, cliLimits.othersShown).join(", ")}${more > 0 ? `, and ${more} more` : ""}`;
}

/** Each takes ` --name CLUSTER`, or nothing. */
function suggestions({ calls, deployments, pods }: Summary): ((option: string) => string)[] {
  const look = (option: string): string => `kubectl${option} get pods,services -o wide`;
  const [first] = calls;
  if (first !== undefined)
    return [
      // What can be called, it says itself; the echo of the README has nothing to say.
      ...(first === "echo" ? [] : [(option: string) => `describe${option} ${first}`]),
      ...calls
        .slice(0, cliLimits.suggestedCallsMax)
        .map((name) => (option: string) => `call${option} ${name} ${name === "echo" ? "echo hello" : "METHOD BODY"}`),
      look,
      (option) => `kubectl${option} scale deployment ${deployments[0] ?? first} --replicas=5`,
      (option) => `dashboard${option}`,
    ];
  if (pods.length > 0) return [look, (option) => `logs${option} --follow`, (option) => `status${option}`];
  return [(option) => `up${option} --detach PATH`, look, (option) => `status${option}`];
}

function addresses(service: Stored<Service>): string {
  const ip = service.spec?.clusterIP ?? "";
  if (ip === "" || ip === "None") return service.spec?.externalName ?? "headless";
  return (service.spec?.ports ?? []).map(({ port }) => `${ip}:${port}`).join(", ");
}
