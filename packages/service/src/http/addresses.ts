// What stands where on a service's HTTP port: methods and topics by their paths, and what is said of a path or a verb that nothing takes.
// Reads a service; answers nobody.
import { WherryError } from "@wherry/core";
import { ServiceError } from "../errors.ts";
import type { Method, Service } from "../service.ts";
import { addressesOf, type Match, Router } from "./route.ts";

export class Addresses {
  readonly #service: Service;
  readonly #router: Router<Method>;
  /** By their paths. */
  readonly #topics: ReadonlyMap<string, string>;

  /**
   * @param shown topics; true: all
   * @throws WherryError SERVICE_DEFINITION_INVALID for a topic that there is not, or whose address a method has
   */
  constructor(service: Service, shown: readonly string[] | boolean) {
    this.#service = service;
    this.#router = new Router(service.methods.values());
    this.#topics = topicPaths(service, shown);
  }

  /** Topics that are shown. */
  get topics(): readonly string[] {
    return [...this.#topics.values()];
  }

  topicAt(path: string): string | undefined {
    return this.#topics.get(path);
  }

  methodAt(verb: string, path: string): Match<Method> | undefined {
    return this.#router.find(verb === "HEAD" ? "GET" : verb, path);
  }

  /** The verbs of a path, for `Allow`; none where nothing is. @throws ServiceError INVALID for a path that is none */
  verbsOf(path: string): string[] {
    try {
      const verbs: string[] = this.#router.verbsOf(path);
      if (this.#topics.has(path) && !verbs.includes("GET")) verbs.unshift("GET");
      if (verbs.includes("GET")) verbs.push("HEAD");
      return verbs.length === 0 ? [] : [...verbs, "OPTIONS"];
    } catch (cause) {
      const message = `path: expected percent-encoded UTF-8, got ${JSON.stringify(path)}`;
      throw new ServiceError("INVALID", message, { fate: "not-started", cause });
    }
  }

  /** What a request is told for which there is nothing. @param verbs those that its path takes */
  nothingAt(verb: string, path: string, verbs: readonly string[]): ServiceError {
    const options = { fate: "not-started" } as const;
    if (verbs.length > 0)
      return new ServiceError("NOT_FOUND", `${path} takes ${verbs.join(", ")}, got ${verb}`, {
        ...options,
        status: 405,
      });
    const known = this.#router.routes.slice(0, 20).map((route) => `${route.verb} ${route.path}`);
    const message = `service ${this.#service.name} has nothing at ${JSON.stringify(path)}; it has ${known.join(", ") || "no methods"}`;
    return new ServiceError("NOT_FOUND", message, options);
  }
}

function topicPaths({ name, topics, methods }: Service, shown: readonly string[] | boolean): Map<string, string> {
  const invalid = (message: string): WherryError =>
    new WherryError(`http.topics: ${message}`, {
      code: "SERVICE_DEFINITION_INVALID",
      details: { field: "http.topics" },
    });
  const addresses = new Set([...methods.values()].flatMap(addressesOf));
  const names = shown === true ? [...topics.keys()] : shown === false ? [] : shown;
  const paths = names.map((topic) => [`/topics/${topic}`, topic] as const);
  for (const [path, topic] of paths) {
    if (!topics.has(topic)) throw invalid(`service ${name} has no topic ${JSON.stringify(topic)}`);
    if (addresses.has(`GET ${path}`)) throw invalid(`a method has the address GET ${path} already`);
  }
  return new Map(paths);
}
