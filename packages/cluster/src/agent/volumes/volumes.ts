// The volumes of one pod, as folders of this machine. It creates and refreshes them; removing goes with the pod's folder, and
// removes links, never what they point to.
import { chmod, mkdir, realpath, stat, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import type { Container, Pod, Volume } from "@wherry/kube";
import type { MountRewrite } from "../environment/command.ts";
import { serviceAccountMountPath } from "../environment/not-honoured.ts";
import { configError } from "../errors.ts";
import { writeAtomically } from "./atomic-writer.ts";
import { type PayloadSources, payloadOf } from "./payloads.ts";

export interface PodVolumesOptions {
  readonly pod: Pod;
  /** Holds a folder per volume. */
  readonly folder: string;
  /** Nothing of it may be shown to a pod by hostPath: it holds the cluster's keys. */
  readonly forbidden: string;
  readonly references: PayloadSources["references"];
  readonly token: PayloadSources["token"];
  /** As they are when a volume is written. */
  readonly facts: () => PayloadSources["facts"];
  readonly rootCa: string;
}

const ownServiceAccountFolder = "wherry-serviceaccount";

export class PodVolumes {
  readonly #options: PodVolumesOptions;
  readonly #paths = new Map<string, string>();
  #serviceAccount: string | undefined;

  constructor(options: PodVolumesOptions) {
    this.#options = options;
  }

  /** Where token, CA and namespace are; undefined when the pod wants none. */
  get serviceAccountFolder(): string | undefined {
    return this.#serviceAccount;
  }

  pathOf(volume: string): string | undefined {
    return this.#paths.get(volume);
  }

  /** Does any volume show this object? */
  shows(kind: "ConfigMap" | "Secret", name: string): boolean {
    return (this.#options.pod.spec?.volumes ?? []).some((volume) =>
      [volume, ...(volume.projected?.sources ?? [])].some((source) =>
        kind === "ConfigMap"
          ? source.configMap?.name === name
          : source.secret !== undefined &&
            ("secretName" in source.secret ? source.secret.secretName : (source.secret as { name?: string }).name) ===
              name,
      ),
    );
  }

  /** Does any volume show the pod's own labels or annotations? */
  get showsPod(): boolean {
    return (this.#options.pod.spec?.volumes ?? []).some((volume) =>
      [volume, ...(volume.projected?.sources ?? [])].some((source) => source.downwardAPI !== undefined),
    );
  }

  /** Creates what is missing and refreshes what has changed. @throws WherryError `AGENT_CONTAINER_CONFIG` */
  async setUp(): Promise<void> {
    const volumes = this.#options.pod.spec?.volumes ?? [];
    await Promise.all([...volumes.map((volume) => this.#setUpOne(volume)), this.#setUpServiceAccount()]);
  }

  /** Where a container's mounts really are. @throws WherryError `AGENT_CONTAINER_CONFIG` for a subPath that leads out of its volume */
  async mountsOf(container: Container, lookup: (name: string) => string | undefined): Promise<readonly MountRewrite[]> {
    const mounts: MountRewrite[] = [];
    for (const mount of container.volumeMounts ?? []) {
      const path = this.#paths.get(mount.name);
      if (path === undefined)
        throw configError(`volumeMount ${JSON.stringify(mount.name)} names no volume of this pod`);
      const subPath = mount.subPathExpr === undefined ? mount.subPath : expandStrictly(mount.subPathExpr, lookup);
      mounts.push({ mountPath: mount.mountPath, hostPath: subPath ? await within(path, subPath) : path });
    }
    return mounts;
  }

  async #setUpOne(volume: Volume): Promise<void> {
    if (volume.hostPath !== undefined) {
      this.#paths.set(volume.name, await this.#hostPath(volume.hostPath.path, volume.hostPath.type ?? ""));
      return;
    }
    const { references, token, facts } = this.#options;
    const folder = join(this.#options.folder, volume.name);
    const payload = await payloadOf(volume, { references, token, facts: facts() });
    if (payload !== undefined) await writeAtomically(folder, payload);
    else if (volume.emptyDir !== undefined) await emptyFolder(folder);
    else {
      const type = Object.keys(volume).find((key) => key !== "name") ?? "none";
      throw configError(
        `volume ${JSON.stringify(volume.name)} is of type ${type}, which isn't offered: use emptyDir, hostPath, configMap, secret, downwardAPI or projected`,
      );
    }
    this.#paths.set(volume.name, folder);
  }

  async #setUpServiceAccount(): Promise<void> {
    const { pod, folder, token, rootCa } = this.#options;
    const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
    const mounted = containers
      .flatMap((c) => c.volumeMounts ?? [])
      .find((mount) => mount.mountPath === serviceAccountMountPath);
    if (mounted !== undefined) {
      this.#serviceAccount = join(folder, mounted.name);
      return;
    }
    if (pod.spec?.automountServiceAccountToken === false) return;
    const own = join(folder, ownServiceAccountFolder);
    const file = (text: string): { data: Uint8Array; mode: number } => ({ data: Buffer.from(text), mode: 0o600 });
    await writeAtomically(
      own,
      new Map([
        ["token", file(await token(undefined, undefined))],
        ["ca.crt", file(rootCa)],
        ["namespace", file(pod.metadata?.namespace ?? "")],
      ]),
    );
    this.#serviceAccount = own;
  }

  async #hostPath(path: string, type: string): Promise<string> {
    // Looked at before anything is made there, and again afterwards: a link may have been put in its way.
    await this.#refuseOwnState(path);
    if (type === "DirectoryOrCreate") await mkdir(path, { recursive: true, mode: 0o755 });
    if (type === "FileOrCreate") await writeFile(path, "", { flag: "a" });
    const real = await realpath(path).catch(() => undefined);
    const found = real === undefined ? undefined : await stat(real);
    if (real === undefined || found === undefined) {
      if (type === "") return path;
      throw configError(`hostPath ${JSON.stringify(path)} does not exist on this machine`);
    }
    if (type === "Directory" && !found.isDirectory())
      throw configError(`hostPath ${JSON.stringify(path)} must be a folder`);
    if (type === "File" && !found.isFile()) throw configError(`hostPath ${JSON.stringify(path)} must be a file`);
    await this.#refuseOwnState(path);
    return real;
  }

  async #refuseOwnState(path: string): Promise<void> {
    const forbidden = await realpath(this.#options.forbidden).catch(() => this.#options.forbidden);
    if (isWithin(forbidden, (await nearest(resolve(path))).real))
      throw configError(
        `hostPath ${JSON.stringify(path)} leads to the cluster's own state, which holds its keys: choose another folder`,
      );
  }
}

/** Kubernetes' emptyDir: anyone may write, whatever the umask says. */
async function emptyFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o777);
}

/** The path below `root`, created when missing, checked after links are followed. */
async function within(root: string, path: string): Promise<string> {
  if (path.startsWith("/") || path.split("/").includes(".."))
    throw configError(`subPath ${JSON.stringify(path)} must be relative and must not contain '..'`);
  const realRoot = await realpath(root);
  const target = join(realRoot, path);
  const { existing, real } = await nearest(target);
  if (!isWithin(realRoot, real))
    throw configError(`subPath ${JSON.stringify(path)} leads out of its volume through a link`);
  if (existing !== target) await mkdir(target, { recursive: true, mode: 0o755 });
  return target;
}

/** The nearest thing above or at an absolute path that exists: it decides where the rest would be created. */
async function nearest(path: string): Promise<{ readonly existing: string; readonly real: string }> {
  for (let existing = path; ; existing = dirname(existing)) {
    const real = await realpath(existing).catch(() => undefined);
    if (real !== undefined) return { existing, real };
    if (existing === dirname(existing)) return { existing, real: existing };
  }
}

function isWithin(root: string, path: string): boolean {
  const way = relative(resolve(root), resolve(path));
  return way === "" || (!way.startsWith("..") && !way.startsWith("/"));
}

function expandStrictly(text: string, lookup: (name: string) => string | undefined): string {
  return text.replace(/\$\(([^)]*)\)/g, (_whole, name: string) => {
    const value = lookup(name);
    if (value === undefined)
      throw configError(
        `subPathExpr ${JSON.stringify(text)} names ${JSON.stringify(name)}, which no environment variable of the container is called`,
      );
    return value;
  });
}
