// Which broker a URL names, and which one is meant when nothing names one. The environment is handed in.
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { basename, delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import { WherryError } from "@wherry/core";

type Environment = Readonly<Record<string, string | undefined>>;

/** What is asked of the disk. */
export interface Files {
  readonly exists: (path: string) => boolean;
  readonly read: (path: string) => string;
}

const disk: Files = { exists: existsSync, read: (path) => readFileSync(path, "utf8") };

export type BrokerUrl =
  | { readonly kind: "sqlite"; readonly path: string }
  | { readonly kind: "rabbitmq" | "nats" | "kafka"; readonly url: string };

/** A file that each folder of a Wherry cluster has, and other folders with a kubeconfig don't. */
const clusterMark = "place.json";

const schemes = { amqp: "rabbitmq", amqps: "rabbitmq", nats: "nats", tls: "nats" } as const;

/** @throws WherryError BROKER_URL_INVALID */
export function parseBrokerUrl(url: string): BrokerUrl {
  const scheme = /^([a-z]+):\/\//.exec(url)?.[1] ?? "";
  let got = scheme === "" ? "no scheme" : `the scheme ${scheme}`;
  if (scheme === "sqlite") {
    const path = decoded(url.slice("sqlite://".length));
    if (path !== undefined && isAbsolute(path)) return { kind: "sqlite", path };
    got = `sqlite:// and a ${path === undefined ? "% that begins no character" : "relative path"}`;
  } else if (scheme === "kafka") return { kind: "kafka", url };
  else if (Object.hasOwn(schemes, scheme) && URL.canParse(url))
    return { kind: schemes[scheme as keyof typeof schemes], url };
  // A URL may hold a password: it is not repeated.
  throw new WherryError(
    "broker: expected sqlite:///absolute/path, amqp://HOST, nats://HOST:4222 or kafka://HOST:9092,HOST:9092, " +
      `got a URL with ${got}`,
    { code: "BROKER_URL_INVALID" },
  );
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

/**
 * The URL that `BROKER_URL` names, else a file that the pods of a cluster on this machine share with its clients outside: `durable.db`
 * in the cluster's folder.
 * @throws WherryError BROKER_URL_INVALID where pods run on several machines, and would not share it; and where KUBECONFIG names a
 *   cluster that is none of Wherry's: what is stored in a file here, none of its pods would ever see.
 */
export function brokerUrlOf(env: Environment, files: Files = disk): string {
  const named = env["BROKER_URL"] ?? "";
  if (named !== "") return named;
  const api = env["KUBERNETES_SERVICE_HOST"] ?? "";
  if (api !== "" && !api.startsWith("127."))
    throw new WherryError(
      "durable methods need a broker that all pods reach: the default, a file, is for the pods of one machine. " +
        "Set BROKER_URL to amqp://…, nats://… or kafka://…",
      { code: "BROKER_URL_INVALID" },
    );
  return sqliteUrl(join(clusterFolder(env, files), "durable.db"));
}

/** The URL of a file; its path is absolute. */
function sqliteUrl(path: string): string {
  return `sqlite://${encodeURI(path).replace(/[?#]/g, encodeURIComponent)}`;
}

/**
 * The folder of the cluster that this process is in, or means. Its pods are told. Outside it is that of WHERRY_NAME if KUBECONFIG is not
 * set, or not one of Wherry's, else that of KUBECONFIG, else the default one; the same rule as the daemon's own, of which services know
 * nothing.
 */
function clusterFolder(env: Environment, files: Files): string {
  const { WHERRY_CLUSTER_DIR: told = "", WHERRY_NAME: named = "" } = env;
  if (told !== "") return resolve(told);
  const { HOME: home = homedir(), WHERRY_HOME: own = "", XDG_STATE_HOME: state = "" } = env;
  const folder = own === "" ? resolve(state === "" ? join(home, ".local/state") : state, "wherry") : resolve(own);
  const meant = kubeconfigOf(env, files);
  if (meant === undefined) return join(folder, named === "" ? "default" : named);
  if (isCluster(dirname(meant), files) && basename(meant) === "kubeconfig") return dirname(meant);
  if (named !== "") return join(folder, named);
  // One that was merged into the user's own file.
  const [, merged] = /^\s*"?current-context"?:\s*"?wherry-([^\s",]+)/m.exec(files.read(meant)) ?? [];
  if (merged !== undefined && isCluster(join(folder, merged), files)) return join(folder, merged);
  throw new WherryError(
    `durable methods need a broker: the default, a file, is for Wherry's own clusters, and KUBECONFIG (${meant}) names none of them. ` +
      "Set BROKER_URL to the one that the pods use; or WHERRY_NAME=default to mean the file of Wherry's default cluster on this machine",
    { code: "BROKER_URL_INVALID" },
  );
}

function isCluster(folder: string, { exists }: Files): boolean {
  return exists(join(folder, clusterMark));
}

/** The first file of KUBECONFIG that is there. */
function kubeconfigOf({ KUBECONFIG: paths = "" }: Environment, { exists }: Files): string | undefined {
  const named = paths.split(delimiter).filter((path) => path !== "");
  return named.map((path) => resolve(path)).find((path) => exists(path));
}
