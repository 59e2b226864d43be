// A service on a real ROUTER socket, in this process: what `run` builds on, and what a test of a service starts.
import { type Clock, type Logger, SystemClock, SystemRandom, silentLogger, WherryError } from "@wherry/core";
import { router, type RouterSocket } from "@wherry/zmtp";
import type { ServiceSecurity } from "../curve/serving.ts";
import type { ServiceCurve } from "../curve/types.ts";
import type { HttpOptions } from "../http/source.ts";
import { messageBytesMax, peerQueueBytesMax, peerQueueMessagesMax } from "../limits.ts";
import { connectionsMax } from "./open-files.ts";
import { hasShare } from "./party.ts";
import type { Broker } from "../durable/types.ts";
import type { Service } from "../service.ts";
import type { Ending } from "./hand-back.ts";
import { Server } from "./server.ts";

export interface ServeOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /** The pod's UID, where this process is one. */
  readonly pod?: string | undefined;
  /** Serves over HTTP as well. Default false; true takes a free port. */
  readonly http?: boolean | HttpOptions;
  /** The pod's namespace, where this process is one: `NAME.NAMESPACE` is then a name of the service, and durable calls are its own. */
  readonly namespace?: string | undefined;
  /** Encrypts the messaging port, and lets in only who is allowed. Default: open to whoever reaches it. */
  readonly curve?: ServiceCurve | undefined;
  /** Microseconds after each message in which the event loop does not sleep: quicker answers, for a processor. Default 0. See `@wherry/zmtp`. */
  readonly busyPollUs?: number;
  readonly clock?: Clock;
  /** Default: silent. */
  readonly log?: Logger;
  /** Where durable methods' calls are stored: a URL, or a broker, which stays open. Default: `BROKER_URL`, else a file. */
  readonly broker?: string | Broker | undefined;
  /** Services of this process, which share the files that it may have open. Default 1. */
  readonly services?: number;
  /** Called in the turn in which a bug ends the service. Default: the error escapes as an uncaught exception. */
  readonly onCrash?: (ending: Ending) => void;
}

export interface Serving {
  /** `tcp://127.0.0.1:5555`, with the port that was taken. */
  readonly endpoint: string;
  readonly server: Server;
  /** `http://127.0.0.1:8080`; undefined without `http`. */
  readonly httpUrl: string | undefined;
}

/**
 * Starts serving.
 * @throws WherryError SERVICE_BIND_FAILED, with the address and what to do.
 * @example const { endpoint, server } = await serve(echo); … await server.close();
 */
export async function serve(service: Service, options: ServeOptions = {}): Promise<Serving> {
  const { host = "127.0.0.1", port = 0, busyPollUs = 0, clock = new SystemClock() } = options;
  const connections = connectionsMax((options.http ?? false) !== false, options.services);
  const peersMax = connections.messaging;
  const limits = { messageBytesMax, peersMax, mayConnect: hasShare, peerQueueMessagesMax, peerQueueBytesMax };
  const secured = await securityOf(options);
  const socket = router({
    clock,
    busyPollUs,
    ...limits,
    ...(secured.security === undefined ? {} : { security: secured.security }),
  });
  const server = new Server(socket, service, {
    clock,
    log: options.log ?? silentLogger,
    instance: options.pod ?? new SystemRandom().uuid(),
    pod: options.pod,
    peersMax,
    onCrash: options.onCrash ?? escape,
  });
  await guardStanding(server, socket, secured, options);
  let endpoint: string;
  let httpUrl: string | undefined;
  try {
    await equip(server);
    httpUrl = await listenHttp(server, host, connections.http, options);
    const address = `${host.includes(":") ? `[${host}]` : host}:${port === 0 ? "*" : port}`;
    endpoint = await server.listen(`tcp://${address}`);
  } catch (error) {
    await server.close();
    throw bindError(error, host, port);
  }
  try {
    await consumeDurable(server, options);
    return { endpoint, server, httpUrl };
  } catch (error) {
    await server.close();
    throw error;
  }
}

/** What encrypts is loaded only where it is asked for. */
async function securityOf({ curve, log = silentLogger }: ServeOptions): Promise<Partial<ServiceSecurity>> {
  if (curve === undefined) return {};
  const { serviceSecurity } = await import("../curve/serving.ts");
  return serviceSecurity(curve, log);
}

/** Whose key is taken away loses his connections, too. */
async function guardStanding(
  server: Server,
  socket: RouterSocket,
  { allows }: Partial<ServiceSecurity>,
  { log = silentLogger }: ServeOptions,
): Promise<void> {
  if (allows === undefined) return;
  const { StandingConnections } = await import("../curve/standing.ts");
  const { clock } = server;
  const standing = new StandingConnections({ socket, allows, clock, log, revoke: (peer) => server.revoke(peer) });
  void server.ended.then(() => standing.stop());
}

/** Nothing of brokers is loaded for a service without durable methods. */
async function consumeDurable(server: Server, { broker, namespace: given }: ServeOptions): Promise<void> {
  if (![...server.service.methods.values()].some((method) => method.durable !== undefined)) return;
  const [{ DurableSource }, { ownNamespace }] = await Promise.all([
    import("../durable/source.ts"),
    import("../durable/namespace.ts"),
  ]);
  const namespace = given ?? ownNamespace(process.env) ?? "default";
  await new DurableSource(server, { broker, namespace, random: new SystemRandom() }).start();
}

/** Gives a server what only some services need; the others don't load it. */
export async function equip(server: Server): Promise<void> {
  const { methods, topics } = server.service;
  if ([...methods.values()].some(({ stream }) => stream !== undefined)) {
    const { Streams } = await import("./streams.ts");
    server.streams = new Streams(server);
  }
  if (topics.size > 0) {
    const { Topics } = await import("./topics.ts");
    server.topics = new Topics(server);
  }
}

/** Loaded only where it is asked for. */
async function listenHttp(
  server: Server,
  host: string,
  connections: number,
  { http = false, namespace }: ServeOptions,
): Promise<string | undefined> {
  if (http === false) return undefined;
  const { startHttp } = await import("../http/start.ts");
  const { port = 0, ...options } = http === true ? {} : http;
  const limits = { connectionsMax: connections };
  const source = await startHttp(server, host, port, { ...options, namespace, limits });
  return source.url;
}

function escape({ error }: Ending): void {
  queueMicrotask(() => {
    throw error ?? new Error("the service crashed");
  });
}

function bindError(error: unknown, host: string, port: number): unknown {
  if (!WherryError.is(error) || !error.code.startsWith("ZMTP_")) return error;
  const taken = error.code === "ZMTP_ADDRESS_IN_USE";
  const message = taken
    ? `messaging port ${host}:${port} is taken by another program; stop it, or choose another port with --port or PORT`
    : `messaging port ${host}:${port} cannot be bound: ${error.message}; choose another with --host, HOST, --port or PORT`;
  return new WherryError(message, { code: "SERVICE_BIND_FAILED", details: { host, port }, cause: error });
}
