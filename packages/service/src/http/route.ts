// Where a method is found over HTTP: `GET /stock/{item}`. Reads such an address, and finds the method of a request's path. Pure;
// service.ts checks addresses with it when a service is defined, so it imports nothing.

/** `"GET /stock/{item}"`, several of them, or nowhere. */
export type HttpRoutes = string | readonly string[] | false;

const httpVerbs = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;
export type HttpVerb = (typeof httpVerbs)[number];

/** What routing needs of a method. */
interface Routed {
  readonly name: string;
  readonly trust: "internal" | "external";
  readonly http: HttpRoutes | undefined;
  /** Undefined: one request, one reply. */
  readonly stream?: string | undefined;
}

export interface Route<M = unknown> {
  readonly verb: HttpVerb;
  /** `/stock/{item}` */
  readonly path: string;
  /** A piece of the path as it stands, or the parameter that it fills. */
  readonly segments: readonly (string | { readonly parameter: string })[];
  readonly method: M;
}

export interface Match<M> {
  readonly route: Route<M>;
  readonly parameters: Readonly<Record<string, string>>;
}

const form = /^(GET|POST|PUT|PATCH|DELETE) ((?:\/(?:[A-Za-z0-9_.~-]+|\{[A-Za-z_][A-Za-z0-9_]*\}))+)$/;

/** The addresses of one method, as they are written. */
export function addressesOf({ name, trust, http }: Routed): readonly string[] {
  if (http === false || (http === undefined && trust === "internal")) return [];
  if (http === undefined) return [`POST /${name}`];
  return typeof http === "string" ? [http] : http;
}

/** @returns undefined for what is no address. */
function parseRoute<M>(address: string, method: M): Route<M> | undefined {
  const [, verb, path] = form.exec(address) ?? [];
  if (verb === undefined || path === undefined) return undefined;
  const segments = path
    .slice(1)
    .split("/")
    .map((segment) => (segment.startsWith("{") ? { parameter: segment.slice(1, -1) } : segment));
  const names = segments.flatMap((segment) => (typeof segment === "string" ? [] : [segment.parameter]));
  if (new Set(names).size < names.length) return undefined;
  return { verb: verb as HttpVerb, path, segments, method };
}

/** The first address that can't be one, or that two methods claim; undefined when all is well. */
export function checkRoutes(
  methods: Iterable<Routed>,
): { readonly method: string; readonly expected: string; readonly got: string } | undefined {
  // The page and the document of the HTTP port itself.
  const taken = new Map<string, string>([["GET /openapi.json", "the service's own description"]]);
  for (const method of methods)
    for (const address of addressesOf(method)) {
      const expected = "an address such as `GET /stock/{item}`, with each parameter once";
      if (parseRoute(address, method) === undefined) return { method: method.name, expected, got: address };
      // Its items are the body, and there is nowhere else to put what the path says.
      if ((method.stream === "in" || method.stream === "both") && !/^(POST|PUT|PATCH) [^{]*$/.test(address)) {
        const expectedOfItems = "POST, PUT or PATCH without parameters, for a stream that takes items";
        return { method: method.name, expected: expectedOfItems, got: address };
      }
      const shape = address.replace(/\{[^}]*\}/g, "{}");
      const owner = taken.get(shape);
      if (owner !== undefined)
        return { method: method.name, expected: `an address that is not that of ${owner}`, got: address };
      taken.set(shape, method.name);
    }
  return undefined;
}

/** Finds the method of a request. Of two addresses that fit, the one whose pieces are literal earlier wins. */
export class Router<M extends Routed> {
  readonly routes: readonly Route<M>[];
  readonly #literal = new Map<string, Route<M>>();
  /** By the number of their pieces. */
  readonly #open = new Map<number, Route<M>[]>();

  constructor(methods: Iterable<M>) {
    this.routes = [...methods].flatMap((method) =>
      addressesOf(method).flatMap((address) => parseRoute(address, method) ?? []),
    );
    for (const route of this.routes) {
      if (route.segments.every((segment) => typeof segment === "string"))
        this.#literal.set(`${route.verb} ${route.path}`, route);
      else {
        const same = this.#open.get(route.segments.length) ?? [];
        same.push(route);
        this.#open.set(route.segments.length, same);
      }
    }
    for (const routes of this.#open.values()) routes.sort((a, b) => (shapeOf(a) < shapeOf(b) ? -1 : 1));
  }

  /** @param path as it came, still percent-encoded. @throws URIError for an encoding that is none. */
  find(verb: string, path: string): Match<M> | undefined {
    const literal = this.#literal.get(`${verb} ${path}`);
    if (literal !== undefined) return { route: literal, parameters: {} };
    const pieces = path.slice(1).split("/");
    for (const route of this.#open.get(pieces.length) ?? []) {
      const parameters = route.verb === verb ? fill(route, pieces) : undefined;
      if (parameters !== undefined) return { route, parameters };
    }
    return undefined;
  }

  /** The verbs that a path takes. */
  verbsOf(path: string): HttpVerb[] {
    return httpVerbs.filter((verb) => this.find(verb, path) !== undefined);
  }
}

/** Sorts literal pieces before parameters, from the left. */
const shapeOf = ({ segments }: Route): string =>
  segments.map((segment) => (typeof segment === "string" ? `0${segment}` : "1")).join("/");

function fill({ segments }: Route, pieces: readonly string[]): Record<string, string> | undefined {
  const parameters: Record<string, string> = {};
  for (const [index, segment] of segments.entries()) {
    const piece = pieces[index] ?? "";
    if (typeof segment === "string") {
      if (segment !== piece) return undefined;
    } else if (piece === "") return undefined;
    else parameters[segment.parameter] = decodeURIComponent(piece);
  }
  return parameters;
}
