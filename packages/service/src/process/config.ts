// A service's settings, its own and the framework's, as one schema: flags, environment, file, defaults, in that order. Pure: it
// gets its sources and returns data.
import { WherryError } from "@wherry/core";
import { helpLines, printedConfig } from "../config/print.ts";
import { readTextFile } from "../config/read-file.ts";
import { Resolver } from "../config/resolve.ts";
import type { Environment, Sources } from "../config/sources.ts";
import type { Settings } from "../config/types.ts";
import type { ServiceCurve } from "../curve/types.ts";
import { blockedMsDefault, busyPollUsMax } from "../limits.ts";

export const messagingPortDefault = 5555;
export const adminPortDefault = 9000;
export const httpPortDefault = 8080;

const logLevels = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
const port = { type: "integer", min: 0, max: 65_535 } as const;

/** What every service can be told. */
export const frameworkSettings: Settings = {
  logLevel: { type: "string", default: "info", choices: logLevels, help: "what is logged, and what is graver" },
  logTo: {
    type: "list",
    default: ["stdout"],
    pattern: /^(stdout|fluent(\+tls)?:\/\/\S+|(elasticsearch|loki|otlp)\+https?:\/\/\S+)$/,
    expected:
      "stdout, fluent://HOST:PORT/TAG, fluent+tls://…, elasticsearch+http(s)://…/INDEX, loki+http(s)://… or otlp+http(s)://…",
    help: "where the log goes",
  },
  logAuthorization: {
    ...{ type: "string", optional: true, secret: true },
    help: "the Authorization header of the HTTP sinks",
  },
  logSharedKey: {
    ...{ type: "string", optional: true, secret: true },
    help: "the shared key of Fluentd and Fluent Bit",
  },
  logGzip: { type: "boolean", help: "compresses what goes to the sinks" },
  // Its default depends on where it runs.
  host: {
    ...{ type: "string", optional: true, env: ["HOST", "POD_IP"], pattern: /^[A-Za-z0-9.:_-]{1,253}$/ },
    expected: "an IP address or a host name",
    help: "address to listen on; without one 127.0.0.1, in Kubernetes 0.0.0.0",
  },
  port: { ...port, default: messagingPortDefault, help: "messaging, ZeroMQ; 0: any free port" },
  adminPort: { ...port, default: adminPortDefault, help: "/healthz, /livez, /readyz, /metrics; 0: any free port" },
  broker: {
    ...{ type: "string", optional: true, env: ["BROKER_URL"] },
    ...{
      pattern: /^(sqlite:\/\/\/|(amqps?|nats|tls|kafka):\/\/)/,
      expected: "sqlite:///ABSOLUTE/PATH, amqp://…, nats://… or kafka://…",
    },
    help: "where durable methods' calls are stored; without one a file of this machine",
  },
  httpPort: {
    ...port,
    optional: true,
    help: "the methods over HTTP; without one, as the program says; 0: any free port",
  },
  curveSecretKeyFile: {
    ...{ type: "string", optional: true },
    help: "encrypts the messaging port with the key in this file; needs --curve-allow",
  },
  curveAllow: {
    ...{ type: "list", default: [] },
    help: "public keys, and files of them, that may connect to an encrypted port",
  },
  blockedMs: {
    ...{ type: "integer", default: blockedMsDefault, min: 0, max: 3_600_000 },
    help: "a blocked event loop is logged with its stack after so many milliseconds; 0: never",
  },
  busyPollUs: {
    ...{ type: "integer", default: 0, min: 0, max: busyPollUsMax },
    help: "microseconds after each message in which the process does not sleep: quicker answers for a processor; 0: never",
  },
  config: { type: "string", optional: true, env: ["CONFIG_FILE"], help: "a JSON or YAML file with any of these" },
  printConfig: { type: "boolean", env: [], help: "prints every value and where it is from, and ends" },
  // From the environment as well, for who starts a program that reads its arguments itself: `wherry manifest`.
  describe: {
    ...{ type: "boolean", env: ["WHERRY_DESCRIBE"] },
    help: "prints its services and their ports as a line of JSON, and ends",
  },
  help: { type: "boolean", env: [], help: "this text" },
};

export interface ProcessConfig {
  readonly logLevel: (typeof logLevels)[number];
  /** Where the log goes: `stdout`, URLs of aggregators. */
  readonly logTo: readonly string[];
  readonly logAuthorization: string | undefined;
  readonly logSharedKey: string | undefined;
  /** What goes to aggregators is compressed. */
  readonly logGzip: boolean;
  /** Messaging port; 0 takes a free one. Of several services, the first one's. */
  readonly port: number;
  /** Messaging ports of several services in one process, by name: their own flags', else counted up from `port`. */
  readonly ports: ReadonlyMap<string, number>;
  readonly adminPort: number;
  /** Where durable methods' calls are stored; undefined: the default. */
  readonly broker: string | undefined;
  /** HTTP; undefined when nothing outside the program asks for it. */
  readonly httpPort: number | undefined;
  /** With what the messaging port is encrypted; undefined: it is not. */
  readonly curve: ServiceCurve | undefined;
  /** Milliseconds that the event loop may be blocked without a record; 0: for ever. */
  readonly blockedMs: number;
  /** Microseconds after each message in which the event loop does not sleep; 0: it does. */
  readonly busyPollUs: number;
  /** Address that both ports are bound to. */
  readonly host: string;
  /** The pod's UID, which tells this process from others that had its address. */
  readonly podUid: string | undefined;
  /** The pod's name, for the log. */
  readonly podName: string | undefined;
  /** The pod's namespace. */
  readonly namespace: string | undefined;
  /** Only says what it would serve, and where. */
  readonly describe: boolean;
  /** Inside a cluster: endpoints need time to vanish. */
  readonly inCluster: boolean;
}

/** A text to print instead of running, or what to run with. */
export type Parsed = { readonly text: string } | { readonly config: ProcessConfig };

/**
 * @param own the service's settings, which `configure` declared.
 * @param services the names of several services that run in one process, each with a setting for its port.
 * @throws WherryError SERVICE_CONFIG_INVALID with one line for each mistake: what was expected, what came, and where.
 */
export function parseConfig(
  name: string,
  argv: readonly string[],
  env: Environment,
  own: Settings = {},
  readFile: Sources["readFile"] = readTextFile,
  services: readonly string[] = [],
): Parsed {
  const portSettings = Object.fromEntries(services.map((service) => [portSetting(service), portOf(service)]));
  const settings: Settings = { ...own, ...frameworkSettings, ...portSettings };
  const resolved = new Resolver(settings, { argv, env, readFile }).all();
  const value = (setting: string): unknown => resolved.values.get(setting)?.value;
  if (value("help") === true) return { text: helpText(name, own, portSettings) };
  if (resolved.problems.length > 0)
    throw new WherryError(resolved.problems.join("\n"), { code: "SERVICE_CONFIG_INVALID" });
  if (value("printConfig") === true) return { text: printedConfig(settings, resolved) };
  const inCluster = (env["KUBERNETES_SERVICE_HOST"] ?? "") !== "";
  const values = Object.fromEntries([...resolved.values].map(([setting, { value: found }]) => [setting, found]));
  const checked = values as unknown as Omit<ProcessConfig, "host" | "curve" | "ports"> & {
    readonly host?: string;
    readonly curveSecretKeyFile?: string;
    readonly curveAllow: readonly string[];
  };
  return {
    config: {
      logLevel: checked.logLevel,
      logTo: checked.logTo,
      logAuthorization: checked.logAuthorization,
      logSharedKey: checked.logSharedKey,
      logGzip: checked.logGzip,
      port: checked.port,
      ports: new Map(
        services.map((service, index) => {
          const given = value(portSetting(service)) as number | undefined;
          return [service, given ?? (checked.port === 0 ? 0 : checked.port + index)];
        }),
      ),
      adminPort: checked.adminPort,
      broker: checked.broker,
      httpPort: checked.httpPort,
      curve: curveOf(checked.curveSecretKeyFile, checked.curveAllow),
      blockedMs: checked.blockedMs,
      busyPollUs: checked.busyPollUs,
      // Kubernetes does not tell a pod its address: there every address of the pod's own network is listened on.
      host: checked.host ?? (inCluster ? "0.0.0.0" : "127.0.0.1"),
      podUid: env["POD_UID"] === "" ? undefined : env["POD_UID"],
      podName: env["POD_NAME"] === "" ? undefined : env["POD_NAME"],
      namespace: env["POD_NAMESPACE"] === "" ? undefined : env["POD_NAMESPACE"],
      describe: value("describe") === true,
      inCluster,
    },
  };
}

function curveOf(secretKeyFile: string | undefined, allow: readonly string[]): ServiceCurve | undefined {
  if (secretKeyFile === undefined && allow.length === 0) return undefined;
  if (secretKeyFile !== undefined && allow.length > 0) return { secretKeyFile, allow };
  const message = "expected --curve-secret-key-file and --curve-allow together, got one of them";
  throw new WherryError(message, { code: "SERVICE_CONFIG_INVALID" });
}

/** `my-shop`: `myShopPort`, which is `--my-shop-port`. */
function portSetting(service: string): string {
  return `${service.replace(/-+(.)/g, (_, letter: string) => letter.toUpperCase())}Port`;
}

function portOf(service: string): Settings[string] {
  // Not from the environment: there Kubernetes puts a `STOCK_PORT` of its own for a Service named `stock`.
  return { ...port, optional: true, env: [], help: `messaging of ${service}; without one counted up from --port` };
}

function helpText(name: string, own: Settings, ports: Settings): string {
  const declared = Object.keys(own).length === 0 ? "" : `Settings of ${name}:\n${helpLines(own).join("\n")}\n\n`;
  return `Usage: ${name} [flags]

Each setting is a flag, or an environment variable, or in the file of --config by its name in camelCase; the first of these wins.

${declared}Settings of every service:
${helpLines({ ...frameworkSettings, ...ports }).join("\n")}

Signals: SIGTERM and SIGINT finish what is queued and end with code 0; a second one ends at once.
Exit codes: 0 drained; 1 an error, or requests cut off at the drain's deadline; 2 wrong settings.
`;
}
