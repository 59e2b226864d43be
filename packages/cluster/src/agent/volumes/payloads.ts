// What the files of a volume hold, from the objects they show. It reads through `References` only and writes nothing.
import type { ConfigMap, DownwardAPIVolumeFile, KeyToPath, Secret, Volume, VolumeProjection } from "@wherry/kube";
import type { References } from "../environment/environment.ts";
import { fieldValue, type PodFacts, resourceValue } from "../environment/fields.ts";
import { configError } from "../errors.ts";
import type { Payload, VolumeFile } from "./atomic-writer.ts";

export interface PayloadSources {
  readonly facts: PodFacts;
  readonly references: References;
  /** A service account token for the pod. */
  readonly token: (audience: string | undefined, lifetimeSeconds: number | undefined) => Promise<string>;
}

const defaultMode = 0o644;

/** Undefined: not a volume of this sort. @throws WherryError `AGENT_CONTAINER_CONFIG` for what is missing and not optional */
export async function payloadOf(volume: Volume, sources: PayloadSources): Promise<Payload | undefined> {
  if (volume.configMap !== undefined) {
    const { name = "", items, optional, defaultMode: mode } = volume.configMap;
    return await configMapFiles(sources, name, items, optional, mode);
  }
  if (volume.secret !== undefined) {
    const { secretName = "", items, optional, defaultMode: mode } = volume.secret;
    return await secretFiles(sources, secretName, items, optional, mode);
  }
  if (volume.downwardAPI !== undefined)
    return downwardFiles(sources, volume.downwardAPI.items, volume.downwardAPI.defaultMode);
  if (volume.projected === undefined) return undefined;
  const files = new Map<string, VolumeFile>();
  for (const source of volume.projected.sources ?? [])
    for (const [path, file] of await projectedFiles(sources, source, volume.projected.defaultMode))
      files.set(path, file);
  return files;
}

async function projectedFiles(
  sources: PayloadSources,
  source: VolumeProjection,
  mode: number | undefined,
): Promise<Payload> {
  if (source.configMap !== undefined)
    return await configMapFiles(
      sources,
      source.configMap.name ?? "",
      source.configMap.items,
      source.configMap.optional,
      mode,
    );
  if (source.secret !== undefined)
    return await secretFiles(sources, source.secret.name ?? "", source.secret.items, source.secret.optional, mode);
  if (source.downwardAPI !== undefined) return downwardFiles(sources, source.downwardAPI.items, mode);
  if (source.serviceAccountToken !== undefined) {
    const { path, audience, expirationSeconds } = source.serviceAccountToken;
    const token = await sources.token(audience, expirationSeconds);
    // Kubelet: a token is for its reader only.
    return new Map([[path, { data: Buffer.from(token), mode: 0o600 }]]);
  }
  throw configError("a projected volume's source must be configMap, secret, downwardAPI or serviceAccountToken here");
}

async function configMapFiles(
  { references }: PayloadSources,
  name: string,
  items: readonly KeyToPath[] | undefined,
  optional: boolean | undefined,
  mode: number | undefined,
): Promise<Payload> {
  const found: ConfigMap | undefined = await references.configMap(name);
  if (found === undefined && optional !== true) throw configError(`configmap "${name}" not found`);
  const data = new Map<string, Uint8Array>();
  for (const [key, value] of Object.entries(found?.data ?? {})) data.set(key, Buffer.from(value));
  for (const [key, value] of Object.entries(found?.binaryData ?? {})) data.set(key, Buffer.from(value, "base64"));
  return pick(data, items, optional, mode, `configmap "${name}"`);
}

async function secretFiles(
  { references }: PayloadSources,
  name: string,
  items: readonly KeyToPath[] | undefined,
  optional: boolean | undefined,
  mode: number | undefined,
): Promise<Payload> {
  const found: Secret | undefined = await references.secret(name);
  if (found === undefined && optional !== true) throw configError(`secret "${name}" not found`);
  const data = new Map<string, Uint8Array>();
  for (const [key, value] of Object.entries(found?.data ?? {})) data.set(key, Buffer.from(value, "base64"));
  return pick(data, items, optional, mode, `secret "${name}"`);
}

function pick(
  data: ReadonlyMap<string, Uint8Array>,
  items: readonly KeyToPath[] | undefined,
  optional: boolean | undefined,
  mode: number = defaultMode,
  what: string,
): Payload {
  if (items === undefined || items.length === 0)
    return new Map([...data].map(([key, bytes]) => [key, { data: bytes, mode }]));
  const files = new Map<string, VolumeFile>();
  for (const item of items) {
    const bytes = data.get(item.key);
    if (bytes !== undefined) files.set(item.path, { data: bytes, mode: item.mode ?? mode });
    else if (optional !== true)
      throw configError(`${what} has no key ${JSON.stringify(item.key)}, which a volume's items name`);
  }
  return files;
}

function downwardFiles(
  { facts }: PayloadSources,
  items: readonly DownwardAPIVolumeFile[] = [],
  mode: number = defaultMode,
): Payload {
  const files = new Map<string, VolumeFile>();
  for (const item of items) {
    const container = facts.pod.spec?.containers.find((c) => c.name === item.resourceFieldRef?.containerName);
    const text =
      item.resourceFieldRef === undefined
        ? fieldValue(facts, item.fieldRef?.fieldPath ?? "")
        : resourceValue(facts, container, item.resourceFieldRef);
    files.set(item.path, { data: Buffer.from(text), mode: item.mode ?? mode });
  }
  return files;
}
