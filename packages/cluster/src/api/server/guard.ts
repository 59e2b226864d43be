// Who may talk to the listener at all, before anything is routed: the Host must be one that no web page can make a browser
// send us here under, and no request may come from a web page (DNS rebinding, cross-site requests). Pure, and hostile input
// never throws: parsing a header must not be able to end the process (webpack-dev-server's CVE-2026-14631).

export interface Head {
  readonly httpVersion: string;
  readonly method: string;
  /** The request target as it came. */
  readonly url: string;
  /** Name, value, name, value … as they came, so that duplicates are seen. */
  readonly rawHeaders: readonly string[];
}

export interface Refusal {
  readonly status: 400 | 403;
  /** For the metric. */
  readonly reason: "host" | "origin" | "target";
  readonly message: string;
}

const builtInHosts = new Set(["127.0.0.1", "[::1]", "localhost"]);
/** `name`, `name:port`, `[address]`, `[address]:port`; nothing else, so no trailing dot, no user, no zone. */
const hostPattern = /^(\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::(\d{1,5}))?$/;
const localhostName = /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+localhost$/;

/** Undefined: the request may be looked at. @param allowedHosts besides loopback's own names, lower case, without ports. */
export function refusalOf(head: Head, allowedHosts: ReadonlySet<string>): Refusal | undefined {
  const hosts = headersNamed(head, "host");
  const [host] = hosts;
  if (host === undefined || hosts.length > 1)
    return refuse(400, "host", `expected one Host header, got ${hosts.length}`);
  const name = hostNameOf(host);
  if (name === undefined) return refuse(400, "host", "the Host header is malformed");
  if (!isAllowed(name, allowedHosts))
    return refuse(403, "host", "this Host is not allowed; reach the API server at 127.0.0.1");
  return targetProblem(head, host) ?? originProblem(head);
}

const refuse = (status: Refusal["status"], reason: Refusal["reason"], message: string): Refusal => ({
  status,
  reason,
  message,
});

function hostNameOf(host: string): string | undefined {
  if (host.length > 300) return undefined;
  const match = hostPattern.exec(host.toLowerCase());
  if (match === null || Number(match[2] ?? 0) > 65_535 || match[1]?.includes("..") === true) return undefined;
  return match[1];
}

const isAllowed = (name: string, allowedHosts: ReadonlySet<string>): boolean =>
  builtInHosts.has(name) || allowedHosts.has(name) || localhostName.test(name);

/** The target is a path; an absolute form must name the same authority as Host. */
function targetProblem({ url, method }: Head, host: string): Refusal | undefined {
  const wrong = (message: string): Refusal => refuse(400, "target", message);
  if (url.includes("#")) return wrong("the request target has a fragment");
  if (url.startsWith("/")) return undefined;
  if (url === "*" && method === "OPTIONS") return undefined;
  const absolute = /^https?:\/\/([^/?]*)/i.exec(url);
  if (absolute === null) return wrong("the request target is not a path");
  return absolute[1]?.toLowerCase() === host.toLowerCase() ? undefined : wrong("the request target and Host differ");
}

/** Nothing that a browser sends on behalf of a page is welcome: there is no page of ours on this listener. */
function originProblem(head: Head): Refusal | undefined {
  if (headersNamed(head, "origin").length > 0)
    return refuse(403, "origin", "requests of web pages are not allowed (Origin is set)");
  const sites = headersNamed(head, "sec-fetch-site");
  if (sites.every((site) => site === "none")) return undefined;
  return refuse(403, "origin", "requests of web pages are not allowed (Sec-Fetch-Site is set)");
}

function headersNamed({ rawHeaders }: Head, name: string): string[] {
  const values: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2)
    if (rawHeaders[index]?.toLowerCase() === name) values.push(rawHeaders[index + 1] ?? "");
  return values;
}
