// Listens on one endpoint and hands over accepted connections. It never decides about them.
import { chmodSync, unlinkSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket as NetSocket } from "node:net";
import { bindError } from "../errors.ts";
import { limits } from "../limits.ts";
import { type Endpoint, formatEndpoint, formatTcp, pipePath } from "../endpoint.ts";

export interface ListenerHooks {
  /** @param address the other end, as an endpoint. */
  onAccept(socket: NetSocket, address: string): void;
  /** Accepting failed (no file descriptors, for one); listening goes on. */
  onAcceptError(endpoint: string, error: Error): void;
}

/** What `node:net` carries. */
export type NetEndpoint = Exclude<Endpoint, { readonly transport: "inproc" }>;

export class Listener {
  /** With the port that was taken. */
  readonly endpoint: string;
  readonly #server: Server;
  #ended: Promise<void> | undefined;

  private constructor(server: Server, endpoint: string) {
    this.#server = server;
    this.endpoint = endpoint;
  }

  /** @throws WherryError `ZMTP_ADDRESS_IN_USE`, `ZMTP_BIND_FAILED` */
  static async open(endpoint: NetEndpoint, hooks: ListenerHooks): Promise<Listener> {
    const server = createServer({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: limits.keepAliveDelayMs,
    });
    try {
      await listen(server, endpoint);
    } catch (error) {
      throw bindError(formatEndpoint(endpoint), error);
    }
    const address = server.address();
    const bound =
      endpoint.transport === "tcp"
        ? formatTcp((address as AddressInfo).address, String((address as AddressInfo).port))
        : formatEndpoint(endpoint);
    server.on("connection", (socket) => hooks.onAccept(socket, remoteAddress(socket) ?? bound));
    server.on("error", (error) => hooks.onAcceptError(bound, error));
    return new Listener(server, bound);
  }

  /** Stops accepting, at once; an ipc path is removed. Accepted connections stay. */
  stop(): void {
    this.#ended ??= new Promise((resolve) => this.#server.close(() => resolve()));
  }

  /** After `stop`: resolves when the accepted connections are gone too. */
  ended(): Promise<void> {
    return this.#ended ?? Promise.resolve();
  }
}

function remoteAddress(socket: NetSocket): string | undefined {
  const { remoteAddress: host, remotePort: port } = socket;
  return host === undefined || port === undefined ? undefined : formatTcp(host, String(port));
}

async function listen(server: Server, endpoint: NetEndpoint): Promise<void> {
  if (endpoint.transport === "tcp") {
    await listening(server, () => server.listen({ host: endpoint.host ?? "0.0.0.0", port: endpoint.port }));
    return;
  }
  const path = pipePath(endpoint.path);
  if (path.startsWith("\0")) {
    await listening(server, () => server.listen({ path }));
    return;
  }
  const tryOnce = (): Promise<void> =>
    listening(server, () => {
      server.listen({ path });
      // Whoever may write to the socket file may connect. Node binds before `listen` returns, so the gap is tiny.
      if (server.listening) chmodSync(path, 0o700);
    });
  try {
    await tryOnce();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || (await somebodyListens(path))) throw error;
    // Left behind by a process that crashed.
    unlinkSync(path);
    await tryOnce();
  }
}

function listening(server: Server, start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => {
      server.off("listening", onListening);
      reject(error);
    };
    const onListening = (): void => {
      server.off("error", onError);
      resolve();
    };
    server.once("error", onError);
    server.once("listening", onListening);
    start();
  });
}

/** Only a refused connection says that nobody does; any doubt counts as "yes". */
function somebodyListens(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
  });
}
