// Where each service of a process listens, from its settings and its program; and that as a text, for whoever writes a manifest for it. Pure,
// but for NODE_ENV.
import type { HttpOptions } from "../http/source.ts";
import type { Service } from "../service.ts";
import { httpPortDefault, type ProcessConfig } from "./config.ts";

type Http = boolean | HttpOptions | undefined;

/** The messaging port; 0 takes a free one. */
export function portOf({ name }: Service, { port, ports }: ProcessConfig): number {
  return ports.get(name) ?? port;
}

/**
 * HTTP is on when the environment, the program or one of the methods asks for it.
 * @param index of the service among several: their ports are counted up, as the messaging ports are.
 */
export function httpOf({ methods }: Service, index: number, option: Http, config: ProcessConfig): false | HttpOptions {
  const routed = [...methods.values()].some(({ http }) => http !== undefined && http !== false);
  if (option === false || (option === undefined && config.httpPort === undefined && !routed)) return false;
  const given = option === true || option === undefined ? {} : option;
  const first = config.httpPort ?? given.port ?? httpPortDefault;
  const explorer = process.env["NODE_ENV"] !== "production";
  return { explorer, ...given, port: first === 0 ? 0 : first + index };
}

/** One line of JSON: `{ "services": [{ "name", "version", "port", "httpPort" }], "adminPort" }`; `httpPort` is null without HTTP. */
export function portsText(services: readonly Service[], config: ProcessConfig, option: Http): string {
  const listed = services.map((service, index) => {
    const http = httpOf(service, index, option, config);
    const httpPort = http === false ? null : http.port;
    return { name: service.name, version: service.version, port: portOf(service, config), httpPort };
  });
  return `${JSON.stringify({ services: listed, adminPort: config.adminPort })}\n`;
}
