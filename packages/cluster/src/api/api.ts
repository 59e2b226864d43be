// The API server: from a request of an authenticated user to its answer. Routing, authorization, admission, validation and
// the registry, in this order, the same for the network and for components in this process. No sockets here.
import { asError, type Clock, type Logger, type Random } from "@wherry/core";
import {
  forbidden,
  type KindInfo,
  kinds,
  makeStatus,
  methodNotAllowed,
  resources,
  type Service,
  StatusError,
  statusOf,
  unknownPath,
} from "@wherry/kube";
import type { Backend } from "../store/types.ts";
import type { Lookup } from "./admission/index.ts";
import { type Attributes, type Authorizer, builtInAuthorizer, refusalText } from "./authorizer.ts";
import type { ApiParts, Call, Verb } from "./call.ts";
import { discoveryBelow, discoveryRoot } from "./discovery.ts";
import { handleObject, handlePart, verbOf } from "./handlers.ts";
import { health, type HealthCheck } from "./health.ts";
import { limits } from "./limits.ts";
import { startMaintenance } from "./maintenance.ts";
import { ApiMetrics } from "./metrics.ts";
import { openApi } from "./openapi.ts";
import { Feed } from "./registry/feed.ts";
import { ObjectCache, type StoredObject } from "./registry/objects.ts";
import { Registry } from "./registry/registry.ts";
import { answerReview, reviewAt } from "./reviews.ts";
import { parseRoute, type PlainRoute, type ResourceRoute, whyUnknown } from "./routes.ts";
import { strategyOf } from "./strategies/index.ts";
import { ServiceStrategy } from "./strategies/service.ts";
import { handleEviction } from "./subresources/eviction.ts";
import { handleBinding, handleLog } from "./subresources/pod.ts";
import { handleScale } from "./subresources/scale.ts";
import { handleToken } from "./subresources/token.ts";
import type { TokenIssuer } from "./tokens.ts";
import type { ApiHandler, ApiRequest, ApiResponse, PodLogs } from "./types.ts";
import { rootPaths, versionOf } from "./version.ts";
import { Watches } from "./watch.ts";

export interface ApiOptions {
  readonly backend: Backend;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The node agents' logs, for `/log`. */
  readonly podLogs: PodLogs;
  /** Where ClusterIPs come from: `127.5.0.0/20`. Its first address is the `kubernetes` Service's. */
  readonly serviceAddresses: string;
  /** Wherry's own version: `0.1.0`. */
  readonly version: string;
  readonly tokens: TokenIssuer;
  readonly authorizer?: Authorizer;
  /** Checks of `/readyz` besides the API's own. */
  readonly readiness?: readonly HealthCheck[];
}

export interface Api extends ApiHandler, Lookup {
  readonly clock: Clock;
  readonly metrics: ApiMetrics;
  /** The address of the `kubernetes` Service. */
  readonly kubernetesAddress: string;
  /** Ends all watches and the upkeep. The backend stays open: it is the caller's. */
  close(): void;
}

/** Reads what the store holds of addresses, and is ready to answer. */

export async function createApi(options: ApiOptions): Promise<Api> {
  return new ApiServer(options);
}

class ApiServer implements Api {
  readonly metrics = new ApiMetrics();
  readonly clock: Clock;
  readonly kubernetesAddress: string;
  readonly #options: ApiOptions;
  readonly #authorizer: Authorizer;
  readonly #stop = new AbortController();
  readonly #registries = new Map<KindInfo, Registry>();
  readonly #feeds = new Map<KindInfo, Feed>();
  readonly #cache = new ObjectCache(limits.parsedObjectsMax);
  readonly #parts: ApiParts;
  readonly #checks: readonly HealthCheck[];

  constructor(options: ApiOptions) {
    const { backend, clock, random, log } = options;
    this.#options = options;
    this.clock = clock;
    this.#authorizer = options.authorizer ?? builtInAuthorizer;
    const services = new ServiceStrategy(options.serviceAddresses, random);
    this.kubernetesAddress = services.firstAddress;
    const env = { backend, cache: this.#cache, clock, random };
    for (const kind of kinds) {
      const strategy = kind === resources.services ? services : strategyOf(kind);
      const registry = new Registry(kind, strategy, env);
      this.#registries.set(kind, registry);
      this.#feeds.set(kind, new Feed(backend, registry.prefix(), this.#cache, log, this.#stop.signal));
    }
    const { registryOf } = this;
    for (const entry of registryOf(resources.services).list(undefined, {}).entries)
      services.restore(this.#cache.of(entry) as Service);
    this.#parts = {
      clock,
      registryOf,
      feedOf: (kind) => this.#feeds.get(kind) as Feed,
      watches: new Watches(env),
      lookup: this,
      podLogs: options.podLogs,
      tokens: options.tokens,
    };
    this.#checks = [{ name: "ping", problem: () => undefined }, ...(options.readiness ?? [])];
    startMaintenance({ backend, clock, log, events: registryOf(resources.events) }, this.#stop.signal);
  }

  readonly registryOf = (kind: KindInfo): Registry => this.#registries.get(kind) as Registry;

  find(plural: string, namespace: string | undefined, name: string): StoredObject | undefined {
    const kind = kinds.find((one) => one.plural === plural);
    if (kind === undefined) return undefined;
    const registry = this.registryOf(kind);
    const entry = registry.find(namespace, name);
    return entry === undefined ? undefined : registry.item(entry).object;
  }

  async handle(request: ApiRequest): Promise<ApiResponse> {
    const counted = { verb: request.method.toLowerCase(), group: "", resource: "", subresource: "" };
    let response: ApiResponse;
    try {
      response = await this.#route(request, counted);
    } catch (problem) {
      response = this.#refusal(problem, request);
    }
    this.metrics.requests.add({ ...counted, code: String(response.status) });
    return response;
  }

  close(): void {
    this.#stop.abort(new Error("the API server is closing"));
  }

  #refusal(problem: unknown, request: ApiRequest): ApiResponse {
    if (!(problem instanceof StatusError))
      this.#options.log.error(
        { err: asError(problem), method: request.method, path: `/${request.path.join("/")}` },
        "a request failed for a reason that is ours",
      );
    const status = statusOf(problem);
    const seconds = status.details?.retryAfterSeconds;
    return {
      status: status.code ?? 500,
      body: { object: status },
      ...(seconds !== undefined && { headers: { "retry-after": String(seconds) } }),
    };
  }

  async #route(request: ApiRequest, counted: Counted): Promise<ApiResponse> {
    const review = reviewAt(request.path);
    if (review !== undefined) {
      Object.assign(counted, { group: review.group, resource: review.plural });
      return answerReview(review, request, this.#authorizer);
    }
    const route = parseRoute(request.path);
    if (route === undefined) {
      this.#authorize({ user: request.user, verb: request.method.toLowerCase(), path: `/${request.path.join("/")}` });
      throw unknownPath(whyUnknown(request.path));
    }
    if (route.type === "plain") return this.#plain(request, route);
    const { kind, subresource = "" } = route;
    Object.assign(counted, { group: kind.group, resource: kind.plural, subresource });
    const verb = verbOf(request, route);
    if (verb === undefined) {
      this.#authorize(attributesOf(request, route, request.method.toLowerCase()));
      throw methodNotAllowed(kind, request.method);
    }
    counted.verb = verb;
    this.#authorize(attributesOf(request, route, verb));
    const warnings: string[] = [];
    const call: Call = { request, route, registry: this.registryOf(kind), parts: this.#parts, warnings };
    const response = await dispatch(call, verb);
    return warnings.length === 0 ? response : { ...response, warnings };
  }

  #authorize(attributes: Attributes): void {
    if (this.#authorizer.allows(attributes)) return;
    const { resource } = attributes;
    const text = refusalText(attributes);
    if (resource !== undefined) throw forbidden(resource, resource.name ?? "", text);
    throw new StatusError(makeStatus(403, "Forbidden", `forbidden: ${text}`, {}));
  }

  #plain(request: ApiRequest, route: PlainRoute): ApiResponse {
    const { root, rest } = route;
    const path = `/${request.path.join("/")}`;
    this.#authorize({
      user: request.user,
      verb: request.method === "GET" || request.method === "HEAD" ? "get" : request.method.toLowerCase(),
      path,
    });
    if (request.method !== "GET" && request.method !== "HEAD")
      throw new StatusError(makeStatus(405, "MethodNotAllowed", `${request.method} is not supported on ${path}`, {}));
    const response = this.#document(root, rest, request);
    if (response === undefined) throw unknownPath();
    return response;
  }

  #document(root: PlainRoute["root"], rest: readonly string[], request: ApiRequest): ApiResponse | undefined {
    const { query, headers } = request;
    if (root === "healthz" || root === "livez" || root === "readyz")
      return health(root, rest, root === "readyz" ? this.#checks : this.#checks.slice(0, 1), query);
    if (root === "openapi") return openApi(rest, query, headers);
    if (root === "api" || root === "apis") {
      const [first] = rest;
      if (first === undefined || first === "") return discoveryRoot(root, headers);
      return objectOr404(discoveryBelow(root, rest));
    }
    if (root === "openid") return objectOr404(rest.join("/") === "v1/jwks" ? this.#options.tokens.keys : undefined);
    if (root === ".well-known")
      return objectOr404(rest.join("/") === "openid-configuration" ? this.#issuer() : undefined);
    if (rest.length > 0) return undefined;
    if (root === "version") return objectOr404(versionOf(this.#options.version));
    if (root === "metrics") return this.#metrics();
    return objectOr404({ paths: rootPaths() });
  }

  #issuer(): object {
    const { issuer } = this.#options.tokens;
    return {
      issuer,
      jwks_uri: `${issuer}/openid/v1/jwks`,
      response_types_supported: ["id_token"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["ES256"],
    };
  }

  #metrics(): ApiResponse {
    this.metrics.watches.set(this.#parts.watches.open);
    this.metrics.revision.set(this.#options.backend.revision);
    return {
      status: 200,
      body: { text: this.metrics.render(), contentType: "text/plain; version=0.0.4; charset=utf-8" },
    };
  }
}

type Counted = Record<"verb" | "group" | "resource" | "subresource", string>;

function attributesOf(request: ApiRequest, route: ResourceRoute, verb: string): Attributes {
  const { kind, namespace, name, subresource } = route;
  // A Namespace lies in itself, as far as rights go.
  const home = kind === resources.namespaces ? name : namespace;
  return {
    user: request.user,
    verb,
    path: `/${request.path.join("/")}`,
    resource: {
      group: kind.group,
      plural: kind.plural,
      ...(subresource !== undefined && { subresource }),
      ...(home !== undefined && { namespace: home }),
      ...(name !== undefined && { name }),
    },
  };
}

function dispatch(call: Call, verb: Verb): ApiResponse | Promise<ApiResponse> {
  switch (call.route.subresource) {
    case undefined:
      return handleObject(call, verb);
    case "status":
      return handlePart(call, verb, "status");
    case "finalize":
      return handlePart(call, verb, "finalizers");
    case "scale":
      return handleScale(call, verb);
    case "log":
      return handleLog(call, verb);
    case "binding":
      return handleBinding(call, verb);
    case "eviction":
      return handleEviction(call, verb);
    case "token":
      return handleToken(call, verb);
    default:
      throw unknownPath();
  }
}

const objectOr404 = (object: object | undefined): ApiResponse | undefined =>
  object === undefined ? undefined : { status: 200, body: { object } };
