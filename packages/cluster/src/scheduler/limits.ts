// Every limit of the scheduler, with its unit. Upstream's values where upstream has one.

export const limits = {
  /** Bindings that are on their way at the same time. */
  bindingsInFlight: 256,
  /** Pods decided on before timers and sockets get a turn. */
  decisionsPerTurn: 64,
  /** A pod that fits nowhere is tried again after this at the earliest, however much changes; doubles each time. */
  backoffMs: 100,
  /** (upstream podMaxBackoffSeconds) */
  backoffMsMax: 10_000,
  /** Between two looks through the waiting pods in a storm of changes. */
  sweepMs: 10,
  /** Even if nothing changed that looks like it helps (upstream podMaxInUnschedulablePodsDuration). */
  unschedulableRetryMs: 300_000,
  /** Feasible nodes that are enough to choose from (upstream minFeasibleNodesToFind). */
  feasibleNodesMin: 100,
  /** Percent of a large cluster's nodes that are looked at, at least (upstream minFeasibleNodesPercentageToFind). */
  feasiblePercentMin: 5,
  /** What a container that requests nothing is taken to use, for scoring only (upstream DefaultMilliCPURequest). */
  assumedMilliCpu: 100,
  /** Bytes (upstream DefaultMemoryRequest). */
  assumedMemoryBytes: 209_715_200,
} as const;
