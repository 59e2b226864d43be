// Every limit of the control loops, with its unit. Upstream's values where upstream has one.

export const limits = {
  /** Pods a ReplicaSet creates or deletes in one pass (upstream BurstReplicas). */
  replicaSetBurst: 500,
  /** Pods of the first creation batch; each following batch doubles (upstream SlowStartInitialBatchSize). */
  slowStartInitialBatch: 1,
  /** How long a loop waits to see its own writes come back before it looks again (upstream ExpectationsTimeout). */
  expectationsTimeoutMs: 300_000,
  /** Revisions kept in `deployment.kubernetes.io/revision-history`, in characters (upstream MaxRevisionHistoryLengthInChars). */
  revisionHistoryCharactersMax: 2000,
  /** Endpoints in one EndpointSlice (upstream MaxEndpointsPerSlice). */
  endpointsPerSliceMax: 100,
  /** Addresses in one Endpoints object; the rest is cut off (upstream maxCapacity). */
  endpointsAddressesMax: 1000,
  /** Ended pods kept in the cluster before the oldest are deleted (upstream TerminatedPodGCThreshold). */
  terminatedPodsMax: 12_500,
  /** How long a node must be missing before its pods are given up (upstream quarantineTime). */
  missingNodeGraceMs: 40_000,
  /** Between two sweeps of the pod garbage collector (upstream gcCheckPeriod). */
  podSweepMs: 20_000,
  /** Between two looks at a namespace that waits for its content to go, should no deletion be told. */
  namespaceRecheckMs: 5_000,
  /** How long an evicted pod that is not yet being deleted counts as gone (upstream DeletionTimeout). */
  disruptedPodMs: 120_000,
  /** Objects of one page where a loop lists. */
  pageSize: 500,
  /** Writes of one pass that are in flight at the same time. */
  writesInFlight: 64,
} as const;
