// Which Kubernetes API a client watches when its caller names none: the pod's own, else the kubeconfig that kubectl would take,
// else that of Wherry's default cluster, so that `npx wherry up` and then a program in another terminal need no setting.
// Never a file that the user did not mean: KUBECONFIG, when set, is the only one looked at.
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { WherryError } from "@wherry/core";
import type { DefaultConfig } from "@wherry/kube/client";

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws WherryError SERVICE_NO_CLUSTER when there is none, with all that was looked at; KUBE_CONFIG when a file is no good. */
export async function findCluster(env: Environment = process.env): Promise<DefaultConfig> {
  const { inCluster, loadKubeconfig } = await import("@wherry/kube/client");
  const inside = inCluster(env);
  if (inside !== undefined) return inside;
  if ((env["KUBECONFIG"] ?? "") !== "") return loadKubeconfig(undefined, undefined, env);
  const candidates = [resolve(env["HOME"] ?? homedir(), ".kube/config"), defaultClusterKubeconfig(env)];
  const path = candidates.find((candidate) => existsSync(candidate));
  if (path !== undefined) return loadKubeconfig(path, undefined, env);
  throw new WherryError(
    `found no cluster: this is no pod (no service account), KUBECONFIG is not set, and there is neither ${candidates.join(" nor ")}. ` +
      "Start one with `npx wherry up`, set KUBECONFIG=$(npx wherry kubeconfig) for one with another --name, or give connect() `endpoints`",
    { code: "SERVICE_NO_CLUSTER" },
  );
}

/** Where `wherry up` without --name keeps its kubeconfig; the same rule as the daemon's own, of which services know nothing. */
function defaultClusterKubeconfig(env: Environment): string {
  const home = env["HOME"] ?? homedir();
  const { WHERRY_HOME: own = "", XDG_STATE_HOME: state = "" } = env;
  const folder = own === "" ? resolve(state === "" ? join(home, ".local/state") : state, "wherry") : resolve(own);
  return join(folder, "default", "kubeconfig");
}
