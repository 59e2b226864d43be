// Limits of the client.

/** Of a refusal that is no Status, how much goes into the error's message. */
export const answerExcerptCharactersMax = 512;

/** One watch event as a line of JSON. An object is at most 3 MiB on the wire; twice that leaves room for its managedFields. */
export const watchLineBytesMax: number = 8 * 1024 * 1024;

/** One answer's body: a list of 100 000 pods is some 300 MB; ask with `limit` for more. */
export const answerBytesMax: number = 512 * 1024 * 1024;

/** Connections that a transport opens at most for requests; a watch has its own. */
export const connectionsMax = 32;

/** Without a byte of an answer for so long, a request (never a watch) has failed. */
export const requestTimeoutMs = 60_000;

/** How long a watch's connection is silent before TCP asks whether the peer is still there. */
export const watchProbeMs = 30_000;

/** How long a connection without use is kept. Below common servers' own idle limits, so that they don't race. */
export const idleConnectionMs = 4_000;

/** How long a token read from a file is used before it is read again. Kubelets renew theirs long before it expires. */
export const tokenReadIntervalMs = 10_000;

/** A kubeconfig file. */
export const kubeconfigBytesMax: number = 4 * 1024 * 1024;
