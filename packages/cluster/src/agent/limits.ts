// Every limit of the node agent, by name and unit.

/** Command output kept of one exec probe or hook. The runtime contract's 10 KiB; Kubernetes keeps as much of an HTTP body. */
export const execOutputBytesMax: number = 10 * 1024;
/** Body bytes read of an HTTP probe (kubelet: 10 KiB). */
export const probeBodyBytesMax: number = 10 * 1024;
/** Redirects that an HTTP probe follows on the same host. */
export const probeRedirectsMax: number = 10;

/** Crash back-off: first wait, longest wait, and how long a container must run until it starts over (kubelet's values). */
export const restartDelayFirstMs: number = 10_000;
export const restartDelayMaxMs: number = 300_000;
export const restartResetMs: number = 600_000;

/** How much longer a preStop hook may take than the grace period. (pod-lifecycle: one extension of 2 s) */
export const preStopExtensionMs: number = 2_000;
/** After SIGKILL, how long until a container that still has not ended is given up on, and said so. */
export const killWaitMs: number = 10_000;

/** Termination message of one container (kubelet: 4096 bytes; from logs 2048 bytes or 80 lines). */
export const terminationMessageBytesMax: number = 4096;
export const terminationMessageLogBytesMax: number = 2048;
export const terminationMessageLogLinesMax: number = 80;

/** One CRI log record's content; longer lines are split and marked partial (containerd: 16 KiB). */
export const logLineBytesMax: number = 16 * 1024;
/** A CRI log file is rotated at this size (kubelet: 10 Mi), and this many older ones are kept. */
export const logFileBytesMax: number = 10 * 1024 * 1024;
export const logFilesKept: number = 2;
/** One read of a container's raw output. */
export const logReadBytes: number = 64 * 1024;
/** Taken over in one go; then others get their turn. With the interval below that is 25 MB/s a container, and no more. */
export const logTurnBytesMax: number = 1024 * 1024;
/** The raw output file is emptied once this much of it has been taken over. */
export const rawOutputBytesKept: number = 1024 * 1024;
/** Output that a flooding container may be ahead of its log; beyond, the middle is dropped and the log says so. */
export const rawOutputBehindBytesMax: number = 16 * 1024 * 1024;
/** A raw output file that outgrows this while it is taken over is emptied: a container that never pauses must not fill the disk. */
export const rawOutputBytesMax: number = 64 * 1024 * 1024;
/** A container's log is taken over at most this often: ten thousand tiny writes must not wake the daemon as often. */
export const logPumpIntervalMs: number = 40;
/** Ended instances of a container whose folder and log are kept, for `kubectl logs --previous`. */
export const endedInstancesKept: number = 1;

/** Logs of pods that are gone: so many pods', and bytes together; the oldest give way. */
export const keptLogPodsMax: number = 100;
export const keptLogBytesMax: number = 256 * 1024 * 1024;

/** The node's status is written on change, and at least this often (kubelet: nodeStatusReportFrequency 5 min). */
export const nodeStatusIntervalMs: number = 300_000;
/** Pods that one node takes (kubelet's default for maxPods). A process node has 1022 addresses. */
export const podsPerNodeMax: number = 110;
export const simulatedPodsPerNodeMax: number = 1000;

/** Waits between tries of what failed for a reason that may pass: a missing ConfigMap, an API that is away. */
export const retryFirstMs: number = 500;
export const retryMaxMs: number = 20_000;

/** Lifetime asked for the service account token of a pod, and the share of it after which it is renewed (kubelet: 80 %). */
export const tokenLifetimeSeconds: number = 3607;
export const tokenRenewShare: number = 0.8;

/** How often an adopted container is looked at, besides the watch on its exit file. */
export const adoptedCheckIntervalMs: number = 5_000;
/** Processes that are looked for below one container when it is to end. */
export const descendantsMax: number = 10_000;
/** How long a supervisor may take to report the pid of its container. */
export const startReportMs: number = 10_000;
