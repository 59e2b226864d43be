// Which pods `wherry logs` is about: all, those of labels, or what one name stands for: a pod, else a Deployment, else a Service. Pure.
import { parseLabelSelector, type Selector, selectorOf, selectorOfMap } from "@wherry/kube";
import type { Deployment, KubeObject, Pod, Service, Stored } from "@wherry/kube/types";
import { asError, nearest } from "@wherry/core";
import { CliError, usageError } from "../errors.ts";
import { cliLimits } from "../limits.ts";

/** One pod by name, or all that a selector matches. */
export interface Choice {
  readonly name?: string;
  readonly selector: Selector;
}

/** What there is in the namespace. */
export interface Present {
  readonly namespace: string;
  readonly pods: readonly Stored<Pod>[];
  readonly deployments: readonly Stored<Deployment>[];
  readonly services: readonly Stored<Service>[];
  /** Names of pods that are gone, whose logs are kept. */
  readonly gone: ReadonlySet<string>;
}

type Kind = "pod" | "deployment" | "service";

/** As kubectl abbreviates them. */
const kindsByName: ReadonlyMap<string, Kind> = new Map([
  ...(["pod", "pods", "po"] as const).map((name) => [name, "pod"] as const),
  ...(["deployment", "deployments", "deploy"] as const).map((name) => [name, "deployment"] as const),
  ...(["service", "services", "svc"] as const).map((name) => [name, "service"] as const),
]);
const everyKind = ["pod", "deployment", "service"] as const;
const everything = parseLabelSelector("");

/** @throws CliError usage */
export function labelsChoice(text: string): Choice {
  try {
    return { selector: parseLabelSelector(text) };
  } catch (error) {
    throw usageError(
      `--selector takes labels, as app=shop or "tier in (a, b)", not ${JSON.stringify(text)}: ${asError(error).message}`,
    );
  }
}

export const allPods: Choice = { selector: everything };

/** @throws CliError usage for what can't name anything; else when there is nothing of that name, with what there is */
export function namedChoice(target: string, present: Present): Choice {
  const slash = target.indexOf("/");
  const [type, name] = slash < 0 ? [undefined, target] : [target.slice(0, slash), target.slice(slash + 1)];
  const kind = type === undefined ? undefined : kindsByName.get(type);
  if (type !== undefined && kind === undefined)
    throw usageError(`logs are had of pod/NAME, deployment/NAME and service/NAME, not of ${type}`);
  if (name === "")
    throw usageError(`${JSON.stringify(target)} names nothing: use POD, deployment/NAME or service/NAME`);
  const kinds = kind === undefined ? everyKind : [kind];
  for (const one of kinds) {
    const choice = choiceOf(one, name, present);
    if (choice !== undefined) return choice;
  }
  throw new CliError(
    `there is no ${kinds.join(", ").replace(/, (?=\w+$)/, " or ")} "${name}" in namespace "${present.namespace}"${ofAnotherKind(name, present) ?? thereAre(kinds, name, present)}`,
  );
}

function choiceOf(kind: Kind, name: string, { pods, gone, deployments, services }: Present): Choice | undefined {
  const called = ({ metadata }: Stored<KubeObject>): boolean => metadata.name === name;
  if (kind === "pod") return pods.some(called) || gone.has(name) ? { name, selector: everything } : undefined;
  if (kind === "deployment") {
    const deployment = deployments.find(called);
    return deployment === undefined ? undefined : { selector: selectorOf(deployment.spec?.selector) };
  }
  const service = services.find(called);
  if (service === undefined) return undefined;
  const labels = service.spec?.selector ?? {};
  if (Object.keys(labels).length === 0)
    throw new CliError(`service "${name}" has no pods of its own: it selects none, and has no logs`);
  return { selector: selectorOfMap(labels) };
}

/** Only the kind was the wrong one. */
function ofAnotherKind(name: string, present: Present): string | undefined {
  const other = everyKind.find((kind) => choiceOf(kind, name, present) !== undefined);
  return other === undefined ? undefined : `, but ${other}/${name} there is`;
}

/** What whoever mistyped it most likely means comes first: the names that last, not those of pods. */
function thereAre(kinds: readonly Kind[], name: string, { pods, deployments, services }: Present): string {
  const all = { deployment: deployments, service: services.filter(hasPods), pod: pods };
  const found = (["deployment", "service", "pod"] as const)
    .filter((kind) => kinds.includes(kind))
    .flatMap((kind) => all[kind].map(({ metadata }) => ({ kind, name: metadata.name })));
  if (found.length === 0) return ". There are none";
  const meant = nearest(
    name,
    found.map((one) => one.name),
  );
  const names = found.map((one) => `${one.kind}/${one.name}`);
  const more = names.length - cliLimits.othersShown;
  return `${meant === "" ? "." : meant} There are: ${names.slice(0, cliLimits.othersShown).join(", ")}${more > 0 ? `, and ${more} more` : ""}`;
}

const hasPods = ({ spec }: Stored<Service>): boolean => Object.keys(spec?.selector ?? {}).length > 0;
