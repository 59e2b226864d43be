// What a request line asks for, in each of its forms (RFC 9112, 3.2). Pure.
import type { IncomingMessage } from "node:http";
import { ServiceError } from "../errors.ts";

export interface Target {
  /** As it came, still percent-encoded; `*` in a request that is about the whole port. */
  readonly path: string;
  /** What follows the question mark. */
  readonly query: string;
  /** Whom it is addressed to: by the target if that says so, whatever the header says, else by the header `Host`. */
  readonly host: string | undefined;
}

/** Clients send the absolute form, `GET http://shop/stock`, to proxies; every server takes it. */
const absolute = /^https?:\/\/([^/?#]*)(.*)$/is;

/** RFC 9112, 3.2: of two the one in front of this port may have taken the other. Node takes the first. */
function checkOneHost(rawHeaders: readonly string[]): void {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) if (rawHeaders[at]?.toLowerCase() === "host") hosts++;
  if (hosts > 1) throw new ServiceError("INVALID", `Host: expected one header, got ${hosts}`, { fate: "not-started" });
}

/** @throws ServiceError INVALID for two hosts, or one that names a user as well: that is how addresses are made to look like others. */
export function targetOf(request: Pick<IncomingMessage, "url" | "headers" | "rawHeaders">): Target {
  const { url = "/", headers, rawHeaders } = request;
  checkOneHost(rawHeaders);
  const [, host, rest] = absolute.exec(url) ?? [];
  if (host === undefined || rest === undefined) return { ...splitOnce(url), host: headers.host };
  if (host === "" || host.includes("@")) {
    const message = `request target: expected a host without a user in it, got ${JSON.stringify(host)}`;
    throw new ServiceError("INVALID", message, { fate: "not-started" });
  }
  return { ...splitOnce(rest.startsWith("/") ? rest : `/${rest}`), host };
}

function splitOnce(url: string): Pick<Target, "path" | "query"> {
  const at = url.indexOf("?");
  return at < 0 ? { path: url, query: "" } : { path: url.slice(0, at), query: url.slice(at + 1) };
}
