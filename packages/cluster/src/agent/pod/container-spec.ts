// Resolves one container of a pod to what a runtime starts: image, environment, arguments, paths. Nothing is left to expand.
import { WherryError } from "@wherry/core";
import type { Container, Pod } from "@wherry/kube";
import { commandOf, type MountRewrite, rewritePaths } from "../environment/command.ts";
import { assembleEnvironment } from "../environment/environment.ts";
import { serviceVariables } from "../environment/service-variables.ts";
import { configError } from "../errors.ts";
import type { Image } from "../images.ts";
import type { ContainerSpec } from "../runtime/types.ts";
import type { PodVolumes } from "../volumes/volumes.ts";
import type { PodContext } from "./context.ts";
import { referencesOf } from "./references.ts";

export interface ContainerSpecInput {
  readonly context: PodContext;
  readonly pod: Pod;
  readonly container: Container;
  readonly attempt: number;
  readonly podIP: string;
  readonly volumes: PodVolumes;
}

/** The file that stands for `/dev/termination-log`, in the instance's folder. */
export const terminationLogName: string = "termination-log";

export interface Resolved {
  readonly spec: ContainerSpec;
  /** Where paths into volumes really lead; for the commands of probes and hooks. */
  readonly mounts: readonly MountRewrite[];
}

/** @throws WherryError `AGENT_IMAGE_UNKNOWN`, or `AGENT_CONTAINER_CONFIG` */
export async function containerSpec(input: ContainerSpecInput): Promise<Resolved> {
  const { context, pod, container, attempt, podIP, volumes } = input;
  const uid = pod.metadata?.uid ?? "";
  const folder = context.folders.instance(uid, container.name, attempt);
  const [image, services] = await Promise.all([imageOf(context, container), context.services()]);
  const links = pod.spec?.enableServiceLinks ?? true;
  const environment = await assembleEnvironment({
    facts: { pod, podIP, hostIP: context.node.ip, allocatable: context.node.allocatable },
    container,
    base: context.baseEnv,
    image: image.env,
    given: { ...serviceVariables(services, pod.metadata?.namespace ?? "", links), ...podVariables(input) },
    references: referencesOf(context.client, pod.metadata?.namespace ?? ""),
  });
  const lookup = (name: string): string | undefined => environment.declared[name];
  const mounts: MountRewrite[] = [
    ...(await volumes.mountsOf(container, lookup)),
    {
      mountPath: container.terminationMessagePath ?? "/dev/termination-log",
      hostPath: `${folder}/${terminationLogName}`,
    },
  ];
  const argv = commandOf(container, image, lookup).map((text) => rewritePaths(text, mounts));
  if (argv.length === 0)
    throw configError(`no command specified: image ${JSON.stringify(container.image)} has none, set command`);
  const workingDir = container.workingDir ?? "";
  const spec: ContainerSpec = {
    id: `${uid}/${container.name}/${attempt}`,
    folder,
    argv,
    env: Object.fromEntries(
      Object.entries(environment.all).map(([name, value]) => [
        name,
        name === "PATH" ? value : rewritePaths(value, mounts),
      ]),
    ),
    workingDir:
      workingDir === "" ? (image.workingDir === "" ? "/" : image.workingDir) : rewritePaths(workingDir, mounts),
    podIP,
  };
  return { spec, mounts };
}

/** A simulated container runs nothing: annotations may say when it ends, and how. */
export function simulatedSpec(pod: Pod, container: Container, attempt: number, podIP: string): Resolved {
  const afterMs = Number(pod.metadata?.annotations?.["wherry.dev/simulate-exit-after-ms"]);
  const exitCode = Number(pod.metadata?.annotations?.["wherry.dev/simulate-exit-code"] ?? 0);
  const spec: ContainerSpec = {
    id: `${pod.metadata?.uid ?? ""}/${container.name}/${attempt}`,
    folder: "",
    argv: [],
    env: {},
    workingDir: "/",
    podIP,
    ...(Number.isFinite(afterMs) ? { simulate: { afterMs, exitCode: Number.isInteger(exitCode) ? exitCode : 1 } } : {}),
  };
  return { spec, mounts: [] };
}

async function imageOf({ images }: PodContext, container: Container): Promise<Image> {
  const name = container.image ?? "";
  const image = await images.find(name);
  if (image === undefined)
    throw new WherryError(images.explain(name), { code: "AGENT_IMAGE_UNKNOWN", retryable: true });
  return image;
}

function podVariables({ context, pod, podIP, volumes }: ContainerSpecInput): Record<string, string> {
  const { name = "", namespace = "", uid = "" } = pod.metadata ?? {};
  const variables: Record<string, string> = {
    HOSTNAME: pod.spec?.hostname ?? name,
    HOST: podIP,
    POD_IP: podIP,
    POD_NAME: name,
    POD_NAMESPACE: namespace,
    POD_UID: uid,
    NODE_NAME: context.node.name,
    WHERRY_CLUSTER_DIR: context.stateFolder,
  };
  if (context.hostsFile !== undefined) variables["WHERRY_HOSTS"] = context.hostsFile;
  if (volumes.serviceAccountFolder !== undefined) variables["WHERRY_SERVICEACCOUNT_DIR"] = volumes.serviceAccountFolder;
  for (const volume of pod.spec?.volumes ?? []) {
    const path = volumes.pathOf(volume.name);
    if (path !== undefined)
      variables[`WHERRY_VOLUME_${volume.name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}`] = path;
  }
  return variables;
}
