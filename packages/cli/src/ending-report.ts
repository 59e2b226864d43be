// Says, while a cluster is stopped, which pods keep it waiting: a program that does not end on SIGTERM is killed when its grace period is
// over, and that is long for whoever doesn't know. Asks the API of the daemon, which serves until the pods are gone; stops nothing itself.
import { type ClusterPaths, type DaemonInfo, daemonLimits } from "@wherry/cluster/state";
import type { Pod, Stored } from "@wherry/kube/types";
import type { Context } from "./context.ts";
import { cliLimits } from "./limits.ts";

/** @returns what to call when the wait is over */
export function tellEnding(paths: ClusterPaths, info: DaemonInfo, { clock, terminal }: Context): () => void {
  const over = new AbortController();
  const tell = async (): Promise<void> => {
    try {
      // Most stops are over before: they need not load what asks.
      const [{ connectApi }, { resources }] = await Promise.all([import("./client.ts"), import("@wherry/kube")]);
      const { client } = connectApi(paths, info);
      const { items } = await client.list(resources.pods, { signal: over.signal });
      for (const line of stillEnding(items)) terminal.note(terminal.clean(line));
    } catch {
      // It has ended meanwhile, or is stopped or stuck: nothing that helps is known.
    }
  };
  const timer = clock.timer(cliLimits.stopToldAfterMs, () => void tell(), { background: true });
  return () => {
    timer.cancel();
    over.abort();
  };
}

/** A line for each of the first few, the one that may take longest first. */
export function stillEnding(pods: readonly Stored<Pod>[]): string[] {
  const running = pods
    .filter(({ status }) => status?.containerStatuses?.some(({ state }) => state?.running !== undefined))
    .map(({ metadata, spec }) => {
      const graceMs = (metadata.deletionGracePeriodSeconds ?? spec?.terminationGracePeriodSeconds ?? 30) * 1000;
      return { name: metadata.name, graceMs: Math.min(graceMs, daemonLimits.stopGraceMsMax) };
    })
    .sort((a, b) => b.graceMs - a.graceMs);
  const lines = running
    .slice(0, cliLimits.waitToldPodsMax)
    .map(
      ({ name, graceMs }) =>
        `waiting: pod ${name} has not ended on SIGTERM; it is killed ${graceMs / 1000} s after that`,
    );
  const more = running.length - lines.length;
  return more > 0 ? [...lines, `waiting: and for ${more} pods more`] : lines;
}
