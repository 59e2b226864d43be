// A service's settings from flags, environment and defaults, in that order. Pure: it gets both and returns data.
import { parseArgs } from "node:util";
import { WherryError } from "@wherry/core";

const logLevels = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
type LogLevel = (typeof logLevels)[number];

export interface ProcessConfig {
  readonly logLevel: LogLevel;
  /** Address that both ports are bound to. */
  readonly host: string;
  /** Messaging port; 0 takes a free one. */
  readonly port: number;
  readonly adminPort: number;
  /** The pod's UID, which tells this process from others that had its address. */
  readonly podUid: string | undefined;
  /** The pod's name, for the log. */
  readonly podName: string | undefined;
  /** Inside a cluster: endpoints need time to vanish. */
  readonly inCluster: boolean;
}

export type Parsed = { readonly help: string } | { readonly config: ProcessConfig };

type Environment = Readonly<Record<string, string | undefined>>;

export const messagingPortDefault = 5555;
export const adminPortDefault = 9000;

/** What `--help` prints. */
function helpText(name: string): string {
  return `Usage: ${name} [options]

Options (and the environment variables they win over):
  --log-level LEVEL  ${logLevels.join(", ")} (LOG_LEVEL; default info)
  --host ADDRESS     address to listen on (HOST, POD_IP; default 127.0.0.1, in Kubernetes 0.0.0.0)
  --port PORT        messaging, ZeroMQ (PORT; default ${messagingPortDefault}; 0: any free port)
  --admin-port PORT  /healthz, /livez, /readyz, /metrics (ADMIN_PORT; default ${adminPortDefault}; 0: any free port)
  --help             this text

Signals: SIGTERM and SIGINT finish what is queued and end with code 0; a second one ends at once.
Exit codes: 0 drained; 1 an error, or requests cut off at the drain's deadline; 2 wrong options.
`;
}

/** @throws WherryError SERVICE_CONFIG_INVALID with one line that says what was expected, what came, and where. */
export function parseConfig(name: string, argv: readonly string[], env: Environment): Parsed {
  const flags = parseFlags(argv);
  if (flags.help === true) return { help: helpText(name) };
  const setting = (flag: "log-level" | "host" | "port" | "admin-port", ...variables: string[]): Setting | undefined => {
    const value = flags[flag];
    if (value !== undefined) return { value, from: `--${flag}` };
    for (const variable of variables) {
      const given = env[variable];
      if (given !== undefined && given !== "") return { value: given, from: variable };
    }
    return undefined;
  };
  const inCluster = (env["KUBERNETES_SERVICE_HOST"] ?? "") !== "";
  return {
    config: {
      logLevel: levelOf(setting("log-level", "LOG_LEVEL")),
      host: hostOf(setting("host", "HOST", "POD_IP"), inCluster),
      port: portOf(setting("port", "PORT"), messagingPortDefault),
      adminPort: portOf(setting("admin-port", "ADMIN_PORT"), adminPortDefault),
      podUid: env["POD_UID"] === "" ? undefined : env["POD_UID"],
      podName: env["POD_NAME"] === "" ? undefined : env["POD_NAME"],
      inCluster,
    },
  };
}

interface Setting {
  readonly value: string;
  readonly from: string;
}

function parseFlags(argv: readonly string[]): { [flag in "log-level" | "host" | "port" | "admin-port"]?: string } & {
  help?: boolean;
} {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...argv],
      options: { "log-level": text, host: text, port: text, "admin-port": text, help: { type: "boolean", short: "h" } },
    }).values;
  } catch (error) {
    throw invalid(`${(error as Error).message.split(/\.\s/, 1)[0] ?? "wrong option"}; see --help`);
  }
}

function levelOf(setting: Setting | undefined): LogLevel {
  if (setting === undefined) return "info";
  const level = logLevels.find((known) => known === setting.value.toLowerCase());
  if (level === undefined) throw expected(setting, `one of ${logLevels.join(", ")}`);
  return level;
}

function portOf(setting: Setting | undefined, otherwise: number): number {
  if (setting === undefined) return otherwise;
  const port = /^\d{1,5}$/.test(setting.value) ? Number(setting.value) : Number.NaN;
  if (!(port <= 65_535)) throw expected(setting, "a port from 0 to 65535");
  return port;
}

function hostOf(setting: Setting | undefined, inCluster: boolean): string {
  // Kubernetes does not tell a pod its address: there every address of the pod's own network is listened on.
  if (setting === undefined) return inCluster ? "0.0.0.0" : "127.0.0.1";
  if (!/^[A-Za-z0-9.:_-]{1,253}$/.test(setting.value)) throw expected(setting, "an IP address or a host name");
  return setting.value;
}

function expected({ from, value }: Setting, what: string): WherryError {
  return invalid(`${from}: expected ${what}, got ${JSON.stringify(value)}`);
}

function invalid(message: string): WherryError {
  return new WherryError(message, { code: "SERVICE_CONFIG_INVALID" });
}
