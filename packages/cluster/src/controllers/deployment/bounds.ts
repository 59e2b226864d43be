// How many pods a rollout may have too many and too few (upstream deployment_util.go: ResolveFenceposts, MaxSurge,
// MaxUnavailable). Pure; percentages are resolved against spec.replicas.
import type { Deployment } from "@wherry/kube";

export interface Bounds {
  /** Pods allowed above `replicas`. */
  readonly maxSurge: number;
  /** Pods allowed to be missing from `replicas`. */
  readonly maxUnavailable: number;
}

export function replicasOf(deployment: Deployment): number {
  return deployment.spec?.replicas ?? 1;
}

export function isRollingUpdate(deployment: Deployment): boolean {
  return (deployment.spec?.strategy?.type ?? "RollingUpdate") === "RollingUpdate";
}

/** The bounds of a rolling update; none for any other strategy. */
export function boundsOf(deployment: Deployment): Bounds {
  if (!isRollingUpdate(deployment)) return { maxSurge: 0, maxUnavailable: 0 };
  const replicas = replicasOf(deployment);
  const { maxSurge, maxUnavailable } = deployment.spec?.strategy?.rollingUpdate ?? {};
  const surge = resolve(maxSurge ?? "25%", replicas, Math.ceil);
  const unavailable = resolve(maxUnavailable ?? "25%", replicas, Math.floor);
  // Both 0 would never move: percentages that round to nothing still let one pod go.
  const resolved = surge === 0 && unavailable === 0 ? 1 : unavailable;
  return { maxSurge: surge, maxUnavailable: Math.min(resolved, replicas) };
}

function resolve(value: number | string, replicas: number, round: (value: number) => number): number {
  if (typeof value === "number") return Math.max(0, value);
  const percent = /^(\d+)%$/.exec(value);
  // Whole-number arithmetic first: 7 % of 100 must not become 7.000000000000001, rounded up to 8.
  return percent === null ? 0 : round((Number(percent[1]) * replicas) / 100);
}

/** The progress deadline in ms; undefined when there is none (absent, or the largest int32). */
export function progressDeadlineMs(deployment: Deployment): number | undefined {
  const seconds = deployment.spec?.progressDeadlineSeconds;
  return seconds === undefined || seconds === 2 ** 31 - 1 ? undefined : seconds * 1000;
}
