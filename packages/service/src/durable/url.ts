// Which broker a URL names, and which one is meant when nothing names one. Pure: the environment is handed in.
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { WherryError } from "@wherry/core";

type Environment = Readonly<Record<string, string | undefined>>;

export type BrokerUrl =
  | { readonly kind: "sqlite"; readonly path: string }
  | { readonly kind: "rabbitmq" | "nats" | "kafka"; readonly url: string };

const schemes = { amqp: "rabbitmq", amqps: "rabbitmq", nats: "nats", tls: "nats" } as const;

/** @throws WherryError BROKER_URL_INVALID */
export function parseBrokerUrl(url: string): BrokerUrl {
  const scheme = /^([a-z]+):\/\//.exec(url)?.[1] ?? "";
  if (scheme === "sqlite") {
    const path = decodeURIComponent(url.slice("sqlite://".length));
    if (isAbsolute(path)) return { kind: "sqlite", path };
  } else if (scheme === "kafka") return { kind: "kafka", url };
  else if (Object.hasOwn(schemes, scheme) && URL.canParse(url))
    return { kind: schemes[scheme as keyof typeof schemes], url };
  // A URL may hold a password: it is not repeated.
  throw new WherryError(
    "broker: expected sqlite:///absolute/path, amqp://HOST, nats://HOST:4222 or kafka://HOST:9092,HOST:9092, " +
      `got a URL with ${scheme === "" ? "no scheme" : scheme === "sqlite" ? "sqlite:// and a relative path" : `the scheme ${scheme}`}`,
    { code: "BROKER_URL_INVALID" },
  );
}

/**
 * The URL that `BROKER_URL` names, else a file that all processes of this user share: `durable.db` in the folder of Wherry's state.
 * @throws WherryError BROKER_URL_INVALID where pods run on several machines, and would not share it.
 */
export function brokerUrlOf(env: Environment): string {
  const named = env["BROKER_URL"] ?? "";
  if (named !== "") return named;
  const api = env["KUBERNETES_SERVICE_HOST"] ?? "";
  if (api !== "" && !api.startsWith("127."))
    throw new WherryError(
      "durable methods need a broker that all pods reach: the default, a file, is for the pods of one machine. " +
        "Set BROKER_URL to amqp://…, nats://… or kafka://…",
      { code: "BROKER_URL_INVALID" },
    );
  const { HOME: home = homedir(), WHERRY_HOME: own = "", XDG_STATE_HOME: state = "" } = env;
  const folder = own === "" ? resolve(state === "" ? join(home, ".local/state") : state, "wherry") : resolve(own);
  return `sqlite://${encodeURI(join(folder, "durable.db")).replace(/[?#]/g, encodeURIComponent)}`;
}
