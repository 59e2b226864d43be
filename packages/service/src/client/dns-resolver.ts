// What resolves names, and the machine's own resolver. Its addresses go through getaddrinfo, which knows the hosts file and the search domains; SRV records
// need a resolver that knows neither, so the search domains are tried here. Loaded only by clients that find services by DNS.
import { lookup, resolveSrv } from "node:dns/promises";
import { readFile } from "node:fs/promises";

export interface Resolver {
  /** The IP addresses of a host. Rejects if there are none. */
  addresses(host: string): Promise<readonly string[]>;
  /** SRV records. Rejects if there are none. */
  services(name: string): Promise<readonly ServiceRecord[]>;
}

export interface ServiceRecord {
  readonly host: string;
  readonly port: number;
  /** Those with the lowest are used; others, when none of them answers. Weights are the balancer's business, and not looked at. */
  readonly priority: number;
}

export function systemResolver(path = "/etc/resolv.conf"): Resolver {
  return {
    addresses: async (host) => {
      const found = await lookup(host, { all: true, order: "verbatim" });
      return found.map(({ address }) => address);
    },
    services: async (name) => {
      const names = namesOf(name, await readFile(path, "utf8").catch(() => ""));
      let failure: unknown;
      for (const candidate of names) {
        try {
          const records = await resolveSrv(candidate);
          return records.map(({ name: host, port, priority }) => ({ host, port, priority }));
        } catch (error) {
          failure ??= error;
        }
      }
      throw failure;
    },
  };
}

/** The name under each search domain, and as it is. A name that ends with a dot is complete. */
export function namesOf(name: string, resolvConf: string): string[] {
  if (name.endsWith(".")) return [name.slice(0, -1)];
  const [, domains = ""] = /^\s*search\s+(.*)$/m.exec(resolvConf) ?? [];
  return [name, ...domains.split(/\s+/).flatMap((domain) => (domain === "" ? [] : [`${name}.${domain}`]))];
}
