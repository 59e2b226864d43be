// Endpoints as ZeroMQ writes them. Parses and formats; never resolves names and never opens anything.
import { isIPv6 } from "node:net";
import { endpointInvalid } from "./errors.ts";
import { limits } from "./limits.ts";

export type Endpoint =
  /** `host` undefined: every interface. `port` 0: any free one. */
  | { readonly transport: "tcp"; readonly host: string | undefined; readonly port: number }
  /** A path, or with a leading `@` a name in Linux' abstract namespace. */
  | { readonly transport: "ipc"; readonly path: string }
  | { readonly transport: "inproc"; readonly name: string };

/** @throws WherryError `ZMTP_ENDPOINT_INVALID` */
export function parseEndpoint(text: string, purpose: "bind" | "connect"): Endpoint {
  const scheme = /^([a-z]+):\/\//.exec(text)?.[1];
  if (scheme === "tcp") return parseTcp(text, text.slice(6), purpose);
  if (scheme === "ipc") return parseIpc(text, text.slice(6));
  if (scheme === "inproc") return parseInproc(text, text.slice(9));
  throw endpointInvalid(text, scheme === undefined ? "it has no transport" : `transport "${scheme}" is not supported`);
}

export function formatEndpoint(endpoint: Endpoint): string {
  if (endpoint.transport === "inproc") return `inproc://${endpoint.name}`;
  return endpoint.transport === "ipc"
    ? `ipc://${endpoint.path}`
    : formatTcp(endpoint.host ?? "0.0.0.0", String(endpoint.port));
}

export function formatTcp(host: string, port: string): string {
  return isIPv6(host) ? `tcp://[${host}]:${port}` : `tcp://${host}:${port}`;
}

function parseTcp(text: string, rest: string, purpose: "bind" | "connect"): Endpoint {
  const parts = /^(\[[^\]]*\]|[^:[\]]+):(\*|\d{1,5})$/.exec(rest);
  if (parts === null) throw endpointInvalid(text, "it is not tcp://host:port");
  const [, hostText = "", portText = ""] = parts;
  const port = portText === "*" ? 0 : Number(portText);
  if (port > 65_535) throw endpointInvalid(text, `port ${port} is above 65535`);
  const host = hostText.startsWith("[") ? hostText.slice(1, -1) : hostText;
  if (hostText.startsWith("[") && !isIPv6(host)) throw endpointInvalid(text, "the brackets hold no IPv6 address");
  if (purpose === "connect" && (host === "*" || port === 0))
    throw endpointInvalid(text, "connecting takes a host and a port, no wildcard");
  if (!hostText.startsWith("[") && host !== "*" && !/^[A-Za-z0-9._-]+$/.test(host))
    throw endpointInvalid(text, `"${host}" is no host name or address`);
  return { transport: "tcp", host: host === "*" ? undefined : host, port };
}

function parseIpc(text: string, path: string): Endpoint {
  if (path === "" || path === "@" || path.includes("\0")) throw endpointInvalid(text, "it names no path");
  if (Buffer.byteLength(path) > limits.ipcPathBytesMax)
    throw endpointInvalid(text, `the path is longer than ${limits.ipcPathBytesMax} bytes`);
  return { transport: "ipc", path };
}

function parseInproc(text: string, name: string): Endpoint {
  if (name === "" || name.length > limits.inprocNameMax)
    throw endpointInvalid(text, `a name has 1 to ${limits.inprocNameMax} characters`);
  return { transport: "inproc", name };
}

/**
 * The machine, or the pod, at the other end of a connection; an IPv4 address is the same by whatever kind of socket it came.
 * @param address of a peer: `tcp://10.0.0.1:53211`, `tcp://[::ffff:10.0.0.1]:53211`
 * @returns undefined where it has none: `ipc:///run/x.sock`
 */
export function hostOf(address: string): string | undefined {
  return /^[a-z]+:\/\/\[?(?:::ffff:)?([^\]/]+?)\]?:\d+$/.exec(address)?.[1];
}

/** What `node:net` calls it: an abstract name begins with a zero. */
export function pipePath(path: string): string {
  return path.startsWith("@") ? `\0${path.slice(1)}` : path;
}
