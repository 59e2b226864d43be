// Watches what was applied until it is ready, can't get ready, or time is up.
import type { Clock, Timer } from "@wherry/core";
import { cliLimits } from "../limits.ts";
import { isPodReady, type Trouble } from "./readiness.ts";
import type { Targets } from "./targets.ts";
import type { View } from "./view.ts";

export type WaitResult =
  | { readonly outcome: "ready" }
  /** `final`: it won't get ready without a change; else it may, but did not in time or crashes again and again. */
  | {
      readonly outcome: "not-ready";
      readonly final: boolean;
      readonly timedOut: boolean;
      readonly troubles: readonly Trouble[];
    };

/** Restarts after which a crash is no longer taken for a late dependency. */
const crashesTolerated = 2;

/** @param progress called with a line whenever something changed */
export function waitUntilReady(
  view: View,
  targets: Targets,
  options: { readonly timeoutMs: number; readonly clock: Clock; readonly progress: (line: string) => void },
): Promise<WaitResult> {
  return new Promise((resolve) => {
    let settled = false;
    let confirmed = false;
    let confirm: Timer | undefined;
    const settle = (result: WaitResult): void => {
      if (settled) return;
      settled = true;
      timer.cancel();
      confirm?.cancel();
      resolve(result);
    };
    const timer = options.clock.timer(options.timeoutMs, () => {
      settle({ outcome: "not-ready", final: false, timedOut: true, troubles: targets.troubles });
    });
    const look = (): void => {
      if (settled) return;
      if (targets.ready) {
        // What has no readiness probe counts as ready when it starts, also when it crashes a moment later.
        if (confirmed || targets.probed) settle({ outcome: "ready" });
        else
          confirm ??= options.clock.timer(cliLimits.confirmReadyMs, () => {
            confirmed = true;
            look();
          });
        return;
      }
      confirmed = false;
      confirm?.cancel();
      confirm = undefined;
      const found = targets.troubles;
      const hopeless = found.filter((trouble) => trouble.final || isCrashLoop(trouble));
      if (hopeless.length > 0)
        settle({ outcome: "not-ready", final: found.some(({ final }) => final), timedOut: false, troubles: hopeless });
      else options.progress(progressLine(targets, found));
    };
    view.onChange(look);
    look();
  });
}

function isCrashLoop({ pod, container, reason }: Trouble): boolean {
  const restarts = pod.status?.containerStatuses?.find(({ name }) => name === container)?.restartCount ?? 0;
  return reason === "CrashLoopBackOff" && restarts >= crashesTolerated;
}

function progressLine(targets: Targets, found: readonly Trouble[]): string {
  const pods = targets.livePods;
  const ready = pods.filter(isPodReady).length;
  const wanted = Math.max(
    pods.length,
    targets.deployments.reduce((sum, { spec }) => sum + (spec?.replicas ?? 1), 0),
  );
  const [first] = found;
  const why = first === undefined ? "" : ` (${first.pod.metadata.name}: ${first.reason})`;
  return `${ready} of ${wanted} pods ready${why}`;
}
