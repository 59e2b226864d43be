// The API of a running cluster, as its administrator: address from daemon.json, CA and token from the state folder.
import { type ClusterPaths, type DaemonInfo, readStateFile } from "@wherry/cluster/state";
import { createClient, httpTransport, type KubeClient, type Transport } from "@wherry/kube/client";
import { join } from "node:path";
import type { Clock } from "@wherry/core";
import { CliError, exitCodes, nameOption } from "./errors.ts";
import { cliLimits } from "./limits.ts";

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

/** The answer, unless the API takes longer than any healthy one. @throws CliError with what to do about a daemon that is stopped or stuck */
export async function answerOf<T>(
  { paths, info }: { readonly paths: ClusterPaths; readonly info: DaemonInfo },
  clock: Clock,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const timer = clock.timer(cliLimits.apiAnswerMs, () => {
    late.abort();
  });
  try {
    return await ask(late.signal);
  } catch (error) {
    if (!late.signal.aborted) throw error;
    const option = nameOption(paths.name);
    throw new CliError(
      `the daemon of cluster "${paths.name}" (pid ${info.pid}) runs, and did not answer within ${cliLimits.apiAnswerMs / 1000} s: it is stopped (kill -CONT ${info.pid} lets it go on), or the machine is very busy. "wherry down${option}" stops it. Its log: ${paths.log}`,
      exitCodes.daemonLost,
    );
  } finally {
    timer.cancel();
  }
}

function secret(paths: ClusterPaths, file: string): string {
  const text = readStateFile(join(paths.pki, file));
  if (text === undefined)
    throw new CliError(
      `${join(paths.pki, file)} is missing: "wherry down --name ${paths.name}", then "wherry up" makes it anew`,
    );
  return text;
}
