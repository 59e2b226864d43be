// What the processes of the ZMTP benchmark say to each other, and what a library under measurement has to provide.
// Parent and child speak lines of JSON: the child's first line is `Ready`, then each `Command` has one line in answer.

type Role = "echo-server" | "echo-client" | "pub" | "sub" | "push" | "pull" | "idle-server" | "idle-clients";

/** Z85 keys of both sides; without them nothing is encrypted. */
export interface CurveKeys {
  readonly server: { readonly publicKey: string; readonly secretKey: string };
  readonly client: { readonly publicKey: string; readonly secretKey: string };
}

/** What a child is started with. */
export interface Setup {
  readonly role: Role;
  /** The size of every message's body. */
  readonly bytes: number;
  /** Where to connect to; roles that bind have none and choose a free port. */
  readonly endpoint?: string;
  readonly curve?: CurveKeys;
  /** `idle-clients`: how many connections. */
  readonly connections?: number;
}

export type Command =
  /** echo-client: that many requests outstanding, measured after the warm-up; then waits for all replies. */
  | { readonly op: "echo"; readonly outstanding: number; readonly warmupMs: number; readonly measureMs: number }
  /** echo-client: a number of requests instead of a time. */
  | { readonly op: "count"; readonly outstanding: number; readonly messages: number }
  /** sub, pull: how many arrive in that time. */
  | { readonly op: "window"; readonly warmupMs: number; readonly measureMs: number }
  /** pub, push */
  | { readonly op: "start" }
  /** pub, push: stops sending, and tells how many were sent since the process began. */
  | { readonly op: "stop" }
  /** sub, pull: waits until so many have arrived since the process began, or nothing has for half a second. */
  | { readonly op: "await"; readonly messages: number }
  /** From here on processor time and allocations are counted, until `spent`. */
  | { readonly op: "spend" }
  | { readonly op: "spent" }
  /** Any Node process that was started with --expose-gc: collects, and tells what is left. */
  | { readonly op: "memory" };

export interface Ready {
  readonly ready: true;
  /** Of roles that bind. */
  readonly endpoint?: string;
}

/** The answer to `echo`, `count`, `window`, `stop`, `await` and `spend`. */
export interface Count {
  readonly messages: number;
  readonly elapsedMs: number;
  /** `echo`: all replies, those before and after the measured time too. */
  readonly total?: number;
}

/** The answer to `memory`, bytes. */
export interface Memory {
  readonly heapUsed: number;
  readonly external: number;
  readonly rss: number;
}

/** The answer to `spent`. */
export interface Spent {
  readonly cpuMs: number;
  readonly allocatedBytes: number;
}

/** A client that has connected. */
export interface EchoClient {
  /** Sends so many requests, now or as soon as may be. */
  send(count: number): void;
}

export interface Sender {
  readonly endpoint: string;
  start(): void;
  /** @returns the messages sent so far, once no more will be. */
  stop(): Promise<number>;
}

/** One library. What it has no word for, it leaves out. All of it serves one connection, and one call of a role, in a process. */
export interface Library {
  /** @returns the endpoint for the client. */
  echoServer?(setup: Setup): Promise<string>;
  /** Connects. `onReplies` is to be called with the number of replies of the right size that came. */
  echoClient?(endpoint: string, setup: Setup, onReplies: (count: number) => void): Promise<EchoClient>;
  sender?(kind: "pub" | "push", setup: Setup): Promise<Sender>;
  /** Connects, and calls `onMessages` with the number of messages of the right size that came. */
  receiver?(kind: "sub" | "pull", endpoint: string, setup: Setup, onMessages: (count: number) => void): Promise<void>;
}
