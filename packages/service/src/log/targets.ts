// From `--log-to` to aggregators: what each URL means. Loaded when there is one that is not stdout.
import { type Random, WherryError } from "@wherry/core";
import { shownValue } from "../config/mask.ts";
import { Elasticsearch } from "./elasticsearch.ts";
import { Fluent } from "./fluent.ts";
import type { Endpoint } from "./http.ts";
import { Loki } from "./loki.ts";
import { Otlp } from "./otlp.ts";
import type { Aggregator } from "./types.ts";

const fluentPortDefault = 24_224;

export interface TargetOptions {
  /** The tag of Fluentd's records, when the URL has none. */
  readonly service: string;
  /** The header `Authorization`, for those over HTTP whose URL has no user and password. */
  readonly authorization: string | undefined;
  /** Of Fluentd's handshake; undefined: there is none. */
  readonly sharedKey?: string | undefined;
  /** What is sent is compressed. */
  readonly gzip?: boolean;
  readonly random: Random;
}

/** @throws WherryError SERVICE_CONFIG_INVALID */
export function aggregatorOf(target: string, options: TargetOptions): Aggregator {
  const bare = target.replace(/^(elasticsearch|loki|otlp)\+/, "");
  const url = URL.canParse(bare) ? new URL(bare) : undefined;
  if (url === undefined || url.hostname === "") throw invalid(target, "a URL with a host");
  if (target.startsWith("fluent")) return fluentOf(url, options);
  const endpoint = endpointOf(url, options);
  if (target.startsWith("loki+")) return new Loki(endpoint);
  if (target.startsWith("otlp+")) return new Otlp(endpoint);
  if (url.pathname === "/") throw invalid(target, "the index as the URL's path, elasticsearch+https://HOST/INDEX");
  return new Elasticsearch(endpoint);
}

function fluentOf(url: URL, { service, sharedKey, gzip = false, random }: TargetOptions): Fluent {
  const tag = decodeURIComponent(url.pathname.slice(1));
  const [username, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  const place = {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? fluentPortDefault : Number(url.port),
    tag: tag === "" ? service : tag,
  };
  const auth = sharedKey === undefined ? undefined : { sharedKey, username, password };
  return new Fluent({ ...place, tls: url.protocol === "fluent+tls:", auth, gzip }, random);
}

/** User and password leave the URL, which is shown, for a header, which isn't. */
function endpointOf(url: URL, { authorization, gzip = false }: TargetOptions): Endpoint {
  const { username, password } = url;
  const basic = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const value = username === "" ? authorization : `Basic ${Buffer.from(basic).toString("base64")}`;
  url.username = "";
  url.password = "";
  return { url, gzip, headers: value === undefined ? {} : { authorization: value } };
}

function invalid(target: string, expected: string): WherryError {
  return new WherryError(`--log-to: expected ${expected}, got ${shownValue(target)}`, {
    code: "SERVICE_CONFIG_INVALID",
  });
}
