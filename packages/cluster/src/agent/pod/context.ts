// What every pod worker of a node shares.
import type { Clock, Logger } from "@wherry/core";
import type { Pod, Service, Stored } from "@wherry/kube";
import type { KubeClient } from "@wherry/kube/client";
import type { EventRecorder } from "@wherry/kube/controller";
import type { Images } from "../images.ts";
import type { ProbeRunner } from "../probes/handlers.ts";
import type { Runtime } from "../runtime/types.ts";
import type { Folders } from "./folders.ts";

/** Gives pods their addresses; one instance a node. */
export interface Addresses {
  /** The pod's address: the one it has already, `preferred` if that is free, else the one that was free longest. Undefined: all are taken. */
  take(podUid: string, preferred?: string): string | undefined;
  release(podUid: string): void;
}

export interface PodContext {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: EventRecorder;
  readonly images: Images;
  readonly node: { readonly name: string; readonly ip: string; readonly allocatable: Readonly<Record<string, string>> };
  readonly addresses: Addresses;
  readonly folders: Folders;
  readonly probe: ProbeRunner;
  /** PEM of the CA that pods check the API server by. */
  readonly rootCa: string;
  /** The few variables of this machine that a container gets: PATH, HOME, LANG, TZ. */
  readonly baseEnv: Readonly<Record<string, string>>;
  /** The file that maps Service names to addresses; undefined: there is none. */
  readonly hostsFile: string | undefined;
  /** The cluster's, which its pods and the programs of this machine can agree on. */
  readonly stateFolder: string;
  services(): Promise<readonly Stored<Service>[]>;
  runtimeFor(pod: Pod): Runtime;
}
