// Who may ask over HTTP: the Host header, against pages that point a name of theirs at this machine (DNS rebinding), and the Origin,
// against pages that send requests to where the browser's user may go and they may not. Pure.
import { isIP } from "node:net";
import { ServiceError } from "../errors.ts";

export interface AccessOptions {
  /** Host names that requests may name; undefined: see `hostIsAllowed`. */
  readonly hosts: readonly string[] | undefined;
  /** Origins whose pages may call, or all of them. */
  readonly cors: readonly string[] | "*";
  /** The address that is listened on. */
  readonly address: string;
  /** Names of the service itself, `shop` and `shop.default`. */
  readonly names: readonly string[];
}

/**
 * Without a list of hosts: every one where other machines can reach the port, since nobody knows the names that lead to it; on a
 * loopback address only names that no outsider can own: IP addresses, `localhost`, `*.localhost`, the service's own.
 */
function hostIsAllowed(host: string, { hosts, address, names }: AccessOptions): boolean {
  const name = hostName(host);
  if (hosts !== undefined) return hosts.includes(name);
  if (!isLoopback(address)) return true;
  const local = name === "localhost" || name.endsWith(".localhost");
  return local || isIP(name.replace(/^\[(.*)\]$/, "$1")) !== 0 || names.some((own) => isNameOf(own, name));
}

/** `shop`, `shop.default`, `shop.default.svc`, `shop.default.svc.cluster.local` */
function isNameOf(own: string, name: string): boolean {
  return name === own || (own.includes(".") && (name === `${own}.svc` || name === `${own}.svc.cluster.local`));
}

const isLoopback = (address: string): boolean => address === "::1" || address.startsWith("127.");
const hostName = (host: string): string => host.toLowerCase().replace(/:\d+$/, "");

/** The origin to be named in the answer; undefined when the request has none, or is of the page's own. */
export function checkAccess(
  host: string | undefined,
  origin: string | undefined,
  options: AccessOptions,
): string | undefined {
  if (host !== undefined && !hostIsAllowed(host, options))
    throw refused(421, `Host: expected a name of this service, got ${JSON.stringify(host)}; allow it with http.hosts`);
  if (origin === undefined || isSameOrigin(origin, host)) return undefined;
  if (options.cors === "*" || options.cors.includes(origin)) return origin;
  throw refused(403, `Origin: pages of ${JSON.stringify(origin)} may not call this service; allow them with http.cors`);
}

/** By host and port alone: before this port there may be a proxy that speaks https. */
function isSameOrigin(origin: string, host: string | undefined): boolean {
  return host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}

function refused(status: number, message: string): ServiceError {
  return new ServiceError("INVALID", message, { status, fate: "not-started" });
}
