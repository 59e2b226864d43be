// The command line's limits, each with its unit.

export const cliLimits = {
  /** `wherry up --timeout` when none is given. */
  readyTimeoutMs: 60_000,
  /** From spawning the daemon to its API listening. */
  daemonStartTimeoutMs: 30_000,
  /** How long the API of a daemon that runs may take to answer `wherry status` and the search for a service. */
  apiAnswerMs: 5_000,
  /** After how long a stop says which pods it waits for: a service's own drain is over by then. */
  stopToldAfterMs: 6_000,
  /** How long `wherry down` waits for the daemon to drain and end. */
  stopTimeoutMs: 120_000,
  /** How often a stop looks whether the daemon is gone. */
  stopPollMs: 20,
  /** Signals closer together than this are one Ctrl-C: npm sends the terminal's on to its child once more. */
  signalOnceMs: 1_000,
  /** Log lines shown of a pod that keeps `up` from getting ready, and of a daemon that died. */
  whyLogLines: 10,
  /** Log lines that the error of such a pod is looked for in, and that are shown from there on. */
  whyLogLinesRead: 100,
  whyLogLinesShown: 20,
  /** Log lines of a pod that ran before this command began. */
  oldLogLines: 10,
  /** How long containers without a readiness probe must stay up to be taken for ready. */
  confirmReadyMs: 500,
  /** After how long `wherry up` says what it waits for, how often it looks whether that has changed, and of how many pods it says so. */
  waitToldAfterMs: 4_000,
  waitLookMs: 1_000,
  waitToldPodsMax: 5,
  /** Of what a probe says. */
  probeCharsMax: 200,
  /** A manifest file. */
  manifestBytesMax: 10_485_760,
  /** Files that a service file's version is made of, and the size of each; more are not looked at. */
  contentFilesMax: 2_000,
  contentFileBytesMax: 10_485_760,
  /** How long a program that is asked which services it runs has for its answer, and how much it may say. */
  askTimeoutMs: 20_000,
  askBytesMax: 1_048_576,
  /** Objects in one `wherry up`. */
  manifestObjectsMax: 1_000,
  /** Requests on their way to the API at once while applying. */
  applyConcurrency: 16,
  /** A log line longer than this is cut into several. */
  logLineCharsMax: 65_536,
  /** How often a running load says how far it is. */
  progressMs: 200,
  /** Deployments from before that `wherry up` names. */
  othersShown: 10,
  /** Services that `wherry up` suggests a call of. */
  suggestedCallsMax: 5,
  /** Pods that a refused call names the trouble of. */
  podReasonsMax: 5,
  /** Pods that `wherry describe` shows without --all. */
  describedPodsShown: 10,
  /** Pods that are asked at once. */
  describedPodsMax: 200,
  /** Services that the dashboard shows. */
  dashboardServicesMax: 100,
  /** Pods of each service that the dashboard asks. */
  dashboardPodsMax: 50,
  /** Milliseconds that the dashboard waits for a pod's answer. */
  dashboardAnswerMs: 2_000,
  /** Milliseconds for which one look of the dashboard at all services serves everyone who asks. */
  dashboardFreshMs: 900,
  /** Dead letters that `wherry dead-letters` lists at most; without `--limit`, a tenth. */
  deadLettersListedMax: 1_000,
  /** Until `wherry dead-letters`, of an empty queue, no longer waits for the service to say whether the method is durable. */
  durableAskedMs: 3_000,
  /** A type's text; what is longer ends in `…`. --output json has it all. */
  typeCharsMax: 100,
  /** One detail of an error in one line, beyond which it is indented; and lines of all details that are shown. */
  detailCharsMax: 200,
  detailLinesMax: 50,
  /** A body from stdin; what a service takes is less, and its own business. */
  bodyCharsMax: 67_108_864,
  replicasMax: 500,
  nodesMax: 32,
  /** `wherry call --deadline` when none is given; a stream has none then. */
  callDeadline: "5s",
  callCountMax: 100_000_000,
  callConcurrencyMax: 100_000,
  /** What `wherry doctor` wants free on the disk of the state folder. */
  doctorFreeBytesMin: 104_857_600,
  /** Files that a user can watch, below which `wherry doctor` warns. */
  doctorWatchesMin: 8_192,
  /** How often `wherry down` starts over when the daemon is killed while it drains. */
  stopRoundsMax: 3,
} as const;
