// The daemon's limits, each with its unit. (STYLE: a limit on everything, with a name and a unit.)

export const daemonLimits = {
  /** A cluster's name is a DNS label: it becomes a folder and a kubeconfig context. */
  clusterNameCharsMax: 63,
  /** How long the CA, and what it signs, is valid. */
  certificateDays: 3650,
  /** Material that ends within this is made anew at the next start. */
  certificateRenewDays: 30,
  /** Random bytes of the admin token: 256 bits and a half more. */
  adminTokenBytes: 48,
  /** What an open API request gets to finish in when the daemon stops. */
  apiDrainMs: 1_000,
  /** What all pods together get to stop in, beyond the longest grace period among them. */
  stopMarginMs: 5_000,
  /** The longest grace period that stopping waits for; `kubectl delete` honours longer ones. */
  stopGraceMsMax: 60_000,
  /** How often a stop looks whether the pods are gone. */
  stopPollMs: 20,
  /** How long a daemon that starts waits for a lock that somebody only looks at. */
  lockWaitMs: 200,
  /** State files (`daemon.json`, `images.json`, a token) are refused beyond this. */
  stateFileBytesMax: 1_048_576,
  /** The daemon's log is moved aside at start beyond this; one older file is kept. */
  daemonLogBytesMax: 10_485_760,
  /** Folders that `wherry up` registered for finding images; the oldest leaves first. */
  imageRootsMax: 32,
  /** Images that the refusal of an unknown one names. */
  imagesNamed: 10,
  /** A Dockerfile or wherry.yaml is refused beyond this. */
  imageFileBytesMax: 262_144,
} as const;
