// The API of a running cluster, as its administrator: address from daemon.json, CA and token from the state folder.
import { type ClusterPaths, type DaemonInfo, readStateFile } from "@wherry/cluster/state";
import { createClient, httpTransport, type KubeClient, type Transport } from "@wherry/kube/client";
import { join } from "node:path";
import { CliError } from "./errors.ts";

export interface ClusterAccess {
  readonly server: string;
  readonly ca: string;
  readonly token: string;
}

export interface ClusterApi {
  readonly access: ClusterAccess;
  readonly transport: Transport;
  readonly client: KubeClient;
}

export function connectApi(paths: ClusterPaths, info: DaemonInfo): ClusterApi {
  const access = { server: info.server, ca: secret(paths, "ca.crt"), token: secret(paths, "admin.token") };
  const transport = httpTransport(access);
  return { access, transport, client: createClient(transport) };
}

function secret(paths: ClusterPaths, file: string): string {
  const text = readStateFile(join(paths.pki, file));
  if (text === undefined)
    throw new CliError(
      `${join(paths.pki, file)} is missing: "wherry down --name ${paths.name}", then "wherry up" makes it anew`,
    );
  return text;
}
