// The node agent ("kubelet") as the daemon sees it: it makes this node's pods real and says in their status what became of them. It
// talks to the API only, and knows nothing of the store, the controllers or the scheduler.
import type { LoopEnvironment } from "@wherry/kube/controller";
import type { PodLogs } from "../api/types.ts";
import type { Images } from "./images.ts";
import type { Addresses } from "./pod/context.ts";
import type { ProbeRunner } from "./probes/handlers.ts";
import type { Runtime } from "./runtime/types.ts";

export interface AgentOptions extends LoopEnvironment {
  readonly node: {
    readonly name: string;
    /** The node's own address, which `hostNetwork` pods get. */
    readonly ip: string;
    /** The addresses of its pods: `127.5.64.0/22`. */
    readonly podCidr: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  /** What runs a pod that asks for nothing else (annotation `wherry.dev/runtime`). Several may be offered. */
  readonly runtime: "process" | "simulated";
  readonly runtimes: readonly Runtime[];
  readonly images: Images;
  readonly addresses: Addresses;
  /** The cluster's state folder; pods, volumes and logs are kept below it. */
  readonly stateFolder: string;
  /** PEM of the CA that pods check the API server by. */
  readonly rootCa: string;
  /** PATH, HOME, LANG, TZ for containers: see `baseEnvironment`. */
  readonly baseEnv: Readonly<Record<string, string>>;
  /** The file that maps Service names to addresses (see network/hosts-file.ts). */
  readonly hostsFile?: string;
  /** `v1.35.0`: as kubectl shows it. */
  readonly version: string;
  /** For tests: how probes are made. */
  readonly probe?: ProbeRunner;
}

export interface Agent {
  readonly logs: PodLogs;
  /** How many containers of an earlier daemon were found running and taken over. */
  readonly adopted: number;
  /** An image may have been added: pods that wait for one try again. */
  imagesChanged(): void;
  /**
   * Stops every container of the node within its pod's grace period; the pods' objects stay. No process is left.
   * @param graceMsMax none gets longer than this; called again, a shorter one holds from then on
   */
  stopAll(graceMsMax?: number): Promise<void>;
  /** Lets go of everything; containers run on, for the next agent to adopt. */
  detach(): Promise<void>;
}
