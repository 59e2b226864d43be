// The part of a cluster that answers: slot, store, keys, API, listener, and the objects that are there before anybody asks.
import { existsSync } from "node:fs";
import { type Clock, type Logger, type Random, WherryError } from "@wherry/core";
import { createClient, type KubeClient } from "@wherry/kube/client";
import {
  type Api,
  bootstrapObjects,
  createApi,
  createAuthenticator,
  createTokens,
  keepBootstrapObjects,
  type Listener,
  listen,
  localTransport,
  type PodLogs,
  type User,
} from "../api/index.ts";
import { claimSlot, type Slot } from "../network/index.ts";
import { type Backend, openMemoryBackend, openSqliteBackend } from "../store/index.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import type { DaemonOptions } from "./options.ts";
import { loadPki, type Pki } from "./pki.ts";
import { ownIdentity } from "./process-identity.ts";
import { preferredSlot, readPlace, writePlace } from "./place.ts";
import { type ClusterPaths, type DaemonInfo, writeFileAtomic } from "./state.ts";
import { wherryVersion } from "./version.ts";

export interface CoreEnvironment {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface Core {
  readonly slot: Slot;
  readonly nodes: number;
  readonly runtime: "process" | "simulated";
  readonly backend: Backend;
  readonly pki: Pki;
  readonly api: Api;
  readonly listener: Listener;
  readonly info: DaemonInfo;
  /** In process, as `user`. */
  readonly clientFor: (user: User) => KubeClient;
}

/** Steps that take back what was done, in order. */
export type Undo = (() => unknown)[];

const loopback = "127.0.0.1";
/** Names that pods reach the API by; the ClusterIP is added. */
const serverNames = [
  loopback,
  "localhost",
  "kubernetes",
  "kubernetes.default",
  "kubernetes.default.svc",
  "kubernetes.default.svc.cluster.local",
];
/** Of the `kubernetes` Service: 443 could not be bound without rights. */
const kubernetesPort = 6443;
const serverUser: User = { name: "system:apiserver", groups: ["system:masters"] };

/** @param podLogs the agents' logs; they come later, and are asked for later */
export async function startCore(
  paths: ClusterPaths,
  options: DaemonOptions,
  env: CoreEnvironment,
  podLogs: PodLogs,
  undo: Undo,
): Promise<Core> {
  const before = readPlace(paths);
  const nodes = options.nodes ?? before?.nodes ?? 1;
  const runtime = options.runtime ?? before?.runtime ?? "process";
  if (before !== undefined && nodes < before.nodes && existsSync(paths.daemonFile))
    throw new WherryError(
      `cluster "${paths.name}" has ${before.nodes} nodes, and its daemon was killed while pods ran on them: leave --nodes out, or "wherry down --name ${paths.name}" first`,
      { code: "DAEMON_NODES_IN_USE", details: { nodes, before: before.nodes } },
    );
  // Stored Services have addresses of the slot that they were made in: a cluster with a past stays where it was.
  const only = before !== undefined && existsSync(paths.store);
  const slot = await claimSlot({ preferred: before?.slot ?? preferredSlot(paths), only, port: kubernetesPort });
  undo.push(() => slot.release());
  const [backend, pki] = await Promise.all([
    openBackend(paths, options, env),
    loadPki(paths.pki, [...serverNames, slot.kubernetesAddress], env),
  ]);
  undo.push(() => backend.close());
  const tokens = await createTokens({ privateKey: pki.serviceAccountKey, ...env });
  const api = await createApi({
    backend,
    ...env,
    podLogs,
    serviceAddresses: slot.serviceCidr,
    version: wherryVersion,
    tokens,
  });
  undo.push(() => api.close());
  const authenticator = createAuthenticator({ adminToken: pki.adminToken, tokens, lookup: api });
  const listener = await listenOn([options.port, before?.port, 0], async (port) =>
    listen(api, {
      host: loopback,
      port,
      tls: { key: pki.serverKey, cert: pki.serverCertificate },
      authenticator,
      allowedHosts: [slot.kubernetesAddress, ...serverNames],
      log: env.log,
    }),
  );
  undo.push(() => listener.close(0));
  const clientFor = (user: User): KubeClient => createClient(localTransport(api, user));
  const own = {
    address: slot.kubernetesAddress,
    port: slot.port,
    endpoint: { address: loopback, port: listener.port },
  };
  await bootstrapObjects(clientFor(serverUser), own);
  const keeping = new AbortController();
  undo.push(() => {
    keeping.abort();
  });
  void keepBootstrapObjects(clientFor(serverUser), own, env, keeping.signal);
  const info = describe(paths, options, slot, listener, env.clock);
  writeKubeconfig(paths.kubeconfig, {
    name: paths.name,
    server: info.server,
    caCertificate: pki.caCertificate,
    token: pki.adminToken,
  });
  writePlace(paths, { slot: slot.number, port: listener.port, nodes, runtime });
  writeFileAtomic(paths.daemonFile, `${JSON.stringify(info, null, 2)}\n`);
  return { slot, nodes, runtime, backend, pki, api, listener, info, clientFor };
}

async function openBackend(paths: ClusterPaths, options: DaemonOptions, env: CoreEnvironment): Promise<Backend> {
  if (options.ephemeral === true) return openMemoryBackend();
  return openSqliteBackend({
    path: paths.store,
    onFailure: (error) => {
      // Nothing more can be acknowledged: better no API than one that lies. Pods live on.
      env.log.error({ err: error }, "the store failed");
      throw error;
    },
  });
}

/** The first of the ports that is given and free. One that the user asked for must be. @throws WherryError `DAEMON_PORT_TAKEN` */
async function listenOn(
  [asked, before, any]: readonly [number | undefined, number | undefined, number],
  bind: (port: number) => Promise<Listener>,
): Promise<Listener> {
  try {
    return await bind(asked ?? before ?? any);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (asked !== undefined && (code === "EADDRINUSE" || code === "EACCES"))
      throw new WherryError(
        code === "EACCES"
          ? `port ${asked} can't be bound without rights: give --port one of 1024 to 65535, or leave it out`
          : `port ${asked} of ${loopback} is taken by another program: give another --port, or leave it out`,
        { code: "DAEMON_PORT_TAKEN", details: { port: asked }, cause: error },
      );
    // The port that it had before went to somebody else: the kubeconfig is written anew with each start.
    if (asked === undefined && before !== undefined && code === "EADDRINUSE") return bind(any);
    throw error;
  }
}

function describe(
  paths: ClusterPaths,
  options: DaemonOptions,
  slot: Slot,
  listener: Listener,
  clock: Clock,
): DaemonInfo {
  return {
    ...ownIdentity(),
    name: paths.name,
    server: `https://${loopback}:${listener.port}`,
    port: listener.port,
    slot: slot.number,
    version: wherryVersion,
    startedAt: new Date(clock.now()).toISOString(),
    ephemeral: options.ephemeral === true,
  };
}
