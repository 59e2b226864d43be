// `connect`: a typed client of a service, by its Kubernetes name or by fixed endpoints. Composition only.
import { asError, SystemClock, SystemRandom, silentLogger, WherryError } from "@wherry/core";
import { dealer, type SocketOptions } from "@wherry/zmtp";
import {
  attemptsMax,
  busyPollUsMax,
  endpointsMax,
  messageBytesMax,
  peerQueueBytesMax,
  peerQueueMessagesMax,
} from "../limits.ts";
import type { Contract } from "../contract.ts";
import { checkingBodies, type Send, throughMiddleware } from "./chain.ts";
import { ClientCore } from "./core.ts";
import { DurableCalls } from "./durable.ts";
import { type ClientCurve, keyPattern } from "../curve/types.ts";
import { type Discovery, fixedTargets, startingAfter } from "./discovery.ts";
import { dnsTargets } from "./dns.ts";
import { type Cluster, watchEndpointSlices } from "./endpoint-slices.ts";
import type { ClientSocket } from "./endpoint.ts";
import { trackClient } from "./open-clients.ts";
import { check } from "./policy.ts";
import type { AnyMethods, CallOptions, Client, ConnectOptions } from "./types.ts";
import { ServiceError } from "../errors.ts";
import type { Codec } from "../protocol/content.ts";
import type { Service } from "../service.ts";
import type { StreamOptions } from "../stream/types.ts";
import type { SubscribeOptions } from "../topic.ts";

type Security = NonNullable<SocketOptions["security"]>;

/**
 * A client of a service; it connects in the background, and calls wait for that within their deadline.
 * @param service its contract, or the Kubernetes Service: `echo`, or `echo.namespace`.
 * @throws WherryError SERVICE_NAME_INVALID, SERVICE_ENDPOINT_INVALID, SERVICE_OPTION_INVALID
 * @example
 * const client = connect(shop);
 * console.log(await client.buy({ count: 1 }));
 * await client.close();
 * @example const client = connect<typeof echo>("echo");
 */
export function connect<const C extends Contract>(service: C, options?: ConnectOptions<C>): Client<C>;
export function connect<S = Service<AnyMethods>>(service: string, options?: ConnectOptions<S>): Client<S>;
export function connect(of: string | Contract, options: ConnectOptions = {}): object {
  const { clock = new SystemClock(), random = new SystemRandom(), busyPollUs = 0 } = options;
  const limits = { messageBytesMax, peerQueueMessagesMax, peerQueueBytesMax, busyPollUs };
  const { curve } = options;
  if (curve === undefined) return connectOver(() => dealer({ clock, random, ...limits }), of, options);
  const security = securityOf(curve);
  // Nothing is connected before its security is there.
  const socket = (): ClientSocket => dealer({ clock, random, ...limits, security: security.loaded });
  return connectOver(socket, of, options, security.ready);
}

/** Loads what encrypts. */
function securityOf(curve: ClientCurve): { readonly ready: Promise<unknown>; readonly loaded: Security } {
  for (const [name, key] of Object.entries(curve))
    if (key !== undefined && !keyPattern.test(String(key)))
      throw new WherryError(`curve.${name}: expected 40 characters of Z85`, { code: "SERVICE_OPTION_INVALID" });
  let loaded: Security | undefined;
  const ready = import("../curve/dialling.ts").then(({ clientSecurity }) => (loaded = clientSecurity(curve)));
  return {
    ready,
    get loaded(): Security {
      if (loaded === undefined) throw new Error("expected the security to be loaded before a connection is made");
      return loaded;
    },
  };
}

/** `connect` over sockets of any kind. */
export function connectOver(
  socket: () => ClientSocket,
  of: string | Contract,
  options: ConnectOptions,
  ready?: Promise<unknown>,
): object {
  const { clock = new SystemClock(), random = new SystemRandom(), log = silentLogger } = options;
  checkOptions(options);
  const service = typeof of === "string" ? of : of.name;
  const core = new ClientCore({
    ...options,
    codec: codecOf(of, options),
    service: options.service ?? service.split(".", 1)[0] ?? service,
    name: options.name ?? process.env["POD_NAME"] ?? "",
    discovery: startingAfter(ready, discoveryOf(service, { ...options, clock, random, log })),
    ...{ socket, clock, random, log },
  });
  const durable = durableOf(of, { ...options, clock, random, log });
  const closed = trackClient(service, () => core.counters);
  return clientOf(core, durable, sendOf(core, durable, of, options), closed);
}

/** The calls that go to a broker: those of the methods that the contract, or the caller, says are durable. */
function durableOf(
  of: string | Contract,
  options: ConnectOptions & Required<Pick<ConnectOptions, "clock" | "random" | "log">>,
): DurableCalls | undefined {
  const inContract = typeof of === "string" ? [] : Object.entries(of.methods);
  const agreed = inContract.filter(([, { durable = false }]) => durable !== false).map(([name]) => name);
  const methods = options.durable ?? agreed;
  if (methods.length === 0) return undefined;
  const [name = "", ofName] = (typeof of === "string" ? of : of.name).split(".");
  const { service = name } = options;
  const codec = codecOf(of, options);
  return new DurableCalls(methods, { ...options, service, codec, namespace: () => namespaceOf(options, ofName) });
}

/** Where the service is: for its queues, the same as for its pods. */
async function namespaceOf(options: ConnectOptions, ofName: string | undefined): Promise<string> {
  const wanted = options.namespace ?? ofName;
  if (wanted !== undefined) return wanted;
  const { ownNamespace } = await import("../durable/namespace.ts");
  const own = ownNamespace(process.env);
  const { endpoints, discovery, kube } = options;
  if (own !== undefined || endpoints !== undefined || discovery !== undefined || kube !== undefined)
    return own ?? "default";
  const { findCluster } = await import("./find-cluster.ts");
  try {
    return (await findCluster()).namespace;
  } catch (error) {
    if (WherryError.is(error, "SERVICE_NO_CLUSTER")) return "default";
    const message = `the namespace of ${options.service ?? "the service"} is not known: ${asError(error).message}; or name one, \`namespace\``;
    throw new ServiceError("UNAVAILABLE", message, { fate: "not-started", cause: error });
  }
}

function codecOf(of: string | Contract, { codec }: ConnectOptions): Codec | undefined {
  return codec ?? (typeof of === "string" ? undefined : of.codec);
}

function sendOf(
  core: ClientCore,
  durable: DurableCalls | undefined,
  of: string | Contract,
  { use = [], checkBodies = false }: ConnectOptions,
): Send {
  const contract = typeof of === "string" ? undefined : of;
  const direct: Send = (method, body, options) => core.call(method, body, options);
  let send: Send = durable === undefined ? direct : durable.before(direct, checkBodies ? undefined : contract);
  if (checkBodies && contract !== undefined) send = checkingBodies(contract, send);
  return use.length === 0 ? send : throughMiddleware(typeof of === "string" ? of : of.name, use, send);
}

function discoveryOf(
  service: string,
  options: ConnectOptions & Required<Pick<ConnectOptions, "clock" | "random" | "log">>,
): Discovery {
  const { endpoints, discovery } = options;
  if (endpoints !== undefined) return fixedTargets(endpoints);
  if (discovery !== undefined) return "start" in discovery ? discovery : dnsTargets(discovery, options);
  const [name = "", ofName, ...rest] = service.split(".");
  const label = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
  if (!label.test(name) || rest.length > 0 || (ofName !== undefined && !label.test(ofName)))
    throw new WherryError(`service: expected NAME or NAME.NAMESPACE, got ${JSON.stringify(service)}`, {
      code: "SERVICE_NAME_INVALID",
    });
  let found: Promise<Cluster> | undefined;
  const cluster = (): Promise<Cluster> => {
    // A failure is not kept: a kubeconfig may appear later.
    found ??= clusterOf(options, ofName).catch((error: unknown) => {
      found = undefined;
      throw error;
    });
    return found;
  };
  const { clock, random, log, port } = options;
  return watchEndpointSlices({ service: name, port, cluster, clock, random, log });
}

/** What the client's parts don't check themselves; the rest is the policies'. */
function checkOptions({
  balance,
  subset,
  outliers,
  retry,
  endpoints,
  discovery,
  kube,
  busyPollUs,
}: ConnectOptions): void {
  const fail = (message: string): never => {
    throw new WherryError(message, { code: "SERVICE_OPTION_INVALID" });
  };
  if (balance !== undefined && !balances.includes(balance))
    fail(`balance: expected ${balances.join(", ")}, got ${JSON.stringify(balance)}`);
  if ([endpoints, discovery, kube].filter((source) => source !== undefined).length > 1)
    fail("expected one of `endpoints`, `discovery` and `kube`, got several");
  if (subset !== false) check("subset", subset, 1, endpointsMax);
  check("retry.budgetRatio", retry?.budgetRatio, 0, 1);
  check("busyPollUs", busyPollUs, 0, busyPollUsMax);
  if (outliers === undefined || outliers === false) return;
  check("outliers.failures", outliers.failures, 1, attemptsMax);
  check("outliers.failureShare", outliers.failureShare, 0, 1);
  check("outliers.ejectMs", outliers.ejectMs, 1, Infinity);
  check("outliers.ejectedShareMax", outliers.ejectedShareMax, 0, 1);
}

const balances = ["least-outstanding", "latency", "round-robin", "random"];

/** The client for Kubernetes is loaded here, when it is needed: fixed endpoints don't pay for it. */
async function clusterOf(options: ConnectOptions, ofName: string | undefined): Promise<Cluster> {
  const wanted = options.namespace ?? ofName;
  if (options.kube !== undefined)
    return { client: options.kube, namespace: wanted ?? process.env["POD_NAMESPACE"] ?? "default" };
  const { findCluster } = await import("./find-cluster.ts");
  const { createClient, httpTransport } = await import("@wherry/kube/client");
  const config = await findCluster();
  return { client: createClient(httpTransport(config)), namespace: wanted ?? config.namespace };
}

/** What the language asks of any object is no method: `await client` gives the client, and writing it as JSON, or to a log, calls nobody. */
const askedOfAnything: ReadonlySet<string> = new Set(["then", "toJSON"]);

/** `client.echo(body)` for every method name; the client's own members win. */
function clientOf(core: ClientCore, durable: DurableCalls | undefined, send: Send, closed: () => void): object {
  const close = async (): Promise<void> => {
    await Promise.all([core.close(), durable?.close()]);
    closed();
  };
  // The proxy stands behind the client: it makes a method when that is first asked for, and later look-ups find the client's own.
  const methods = new Proxy<Record<PropertyKey, unknown>>(
    {},
    {
      get(target, name) {
        if (name in target || typeof name === "symbol" || askedOfAnything.has(name)) return target[name];
        const callMethod = (body: unknown, options?: CallOptions): Promise<unknown> => send(name, body, options);
        // Not by assignment, which throws where somebody has frozen the client.
        Reflect.defineProperty(client, name, {
          value: callMethod,
          writable: true,
          enumerable: true,
          configurable: true,
        });
        return callMethod;
      },
    },
  );
  const client = Object.assign(Object.create(methods) as Record<PropertyKey, unknown>, {
    call: send,
    stream: (method: string, given: unknown, options?: StreamOptions) => core.stream(method, given, options),
    subscribe: (topics: string | readonly string[], options?: SubscribeOptions) =>
      core.subscribe(typeof topics === "string" ? [topics] : topics, options),
    close,
    [Symbol.asyncDispose]: close,
  });
  return Object.defineProperty(client, "counters", { get: () => core.counters });
}
