// One connection to NATS, made at the first use, and the streams of each queue, made at theirs. After the first connect the library
// reconnects by itself.
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { asError, WherryError } from "@wherry/core";
import { brokerAckWaitMs, brokerConfirmMs, brokerConnectMs, natsMakeAgainMs } from "../../limits.ts";
import { brokerError, reasonOf, unreachable } from "../errors.ts";
import { loadLibrary } from "../library.ts";
import type { BrokerOptions } from "../types.ts";
import { consumerName, deadStream, deadSubject, workStream, workSubject } from "./names.ts";

export interface Connected {
  readonly connection: NatsConnection;
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly library: typeof import("@nats-io/transport-node");
}

const nanosecondsOf = (milliseconds: number): number => milliseconds * 1_000_000;
const pendingAcksMax = 10_000;

export class NatsLink {
  readonly #url: string;
  readonly #options: BrokerOptions;
  #connecting: Promise<Connected> | undefined;
  readonly #ready: Map<string, Promise<void>> = new Map();
  /** Of queues that somebody deleted. */
  readonly #pauses: Map<string, Promise<void>> = new Map();
  #closed = false;

  constructor(url: string, options: BrokerOptions) {
    this.#url = url;
    this.#options = options;
  }

  /** @throws WherryError BROKER_UNAVAILABLE; the next call tries again. */
  async connected(): Promise<Connected> {
    if (this.#closed) throw brokerError("BROKER_UNAVAILABLE", "this connection to NATS was closed");
    this.#connecting ??= this.#connect().catch((error: unknown) => {
      this.#connecting = undefined;
      throw error;
    });
    const connected = await this.#connecting;
    if (connected.connection.isClosed()) {
      this.#connecting = undefined;
      return this.connected();
    }
    return connected;
  }

  async #connect(): Promise<Connected> {
    const packages = "@nats-io/transport-node @nats-io/jetstream";
    const [library, { jetstream, jetstreamManager }] = await loadLibrary(packages, () =>
      Promise.all([import("@nats-io/transport-node"), import("@nats-io/jetstream")]),
    );
    try {
      const { user, pass, servers } = credentials(this.#url);
      const connection = await library.connect({
        // A user whose rights are taken away may get them back: the library would close the connection for good.
        ...{ servers, maxReconnectAttempts: -1, ignoreAuthErrorAbort: true, timeout: brokerConnectMs, name: "wherry" },
        ...(user === undefined ? {} : { user, pass: pass ?? "" }),
      });
      const options = { timeout: brokerConfirmMs };
      const manager = await jetstreamManager(connection, { ...options, checkAPI: false });
      return { connection, client: jetstream(connection, options), manager, library };
    } catch (error) {
      const refused = /^(Authorization|UserAuthentication|PermissionViolation)/.test(asError(error).name);
      throw unreachable(`NATS at ${hostOf(this.#url)}`, error, refused);
    }
  }

  /** Makes the queue's streams and consumer, once. */
  async ready(queue: string): Promise<Connected> {
    const connected = await this.connected();
    let ready = this.#ready.get(queue);
    if (ready === undefined) {
      ready = this.#declare(connected.manager, queue);
      this.#ready.set(queue, ready);
      ready.catch(() => this.#ready.delete(queue));
    }
    await ready;
    return connected;
  }

  /**
   * Its streams or its consumer are gone: they are made at the next use, after a moment. A server (2.9.10) that deletes a stream's files
   * while the stream is made again deletes the new ones as well, and then takes no message for it.
   */
  forget(queue: string): void {
    this.#ready.delete(queue);
    this.#pauses.set(queue, this.#options.clock.sleep(natsMakeAgainMs));
  }

  async #declare(manager: JetStreamManager, queue: string): Promise<void> {
    await this.#pauses.get(queue);
    this.#pauses.delete(queue);
    const window = nanosecondsOf(this.#options.dedupeWindowMs);
    try {
      await existing(
        () => manager.streams.info(workStream(queue)),
        () =>
          manager.streams.add({
            ...{ name: workStream(queue), subjects: [workSubject(queue)] },
            ...{ retention: "workqueue", storage: "file", duplicate_window: window },
          }),
      );
      await existing(
        () => manager.streams.info(deadStream(queue)),
        () => manager.streams.add({ name: deadStream(queue), subjects: [deadSubject(queue)], storage: "file" }),
      );
      await existing(
        () => manager.consumers.info(workStream(queue), consumerName),
        () =>
          manager.consumers.add(workStream(queue), {
            ...{ durable_name: consumerName, ack_policy: "explicit", max_deliver: -1 },
            ...{ ack_wait: nanosecondsOf(brokerAckWaitMs), max_ack_pending: pendingAcksMax },
          }),
      );
    } catch (error) {
      throw this.explain(error, `the streams of ${queue} could not be made`);
    }
  }

  /** Was it stored? An answer of JetStream's is a refusal, silence is neither. */
  explain(error: unknown, what: string): WherryError {
    if (WherryError.is(error)) return error;
    const { name, cause } = asError(error);
    if (asError(cause).name === "PermissionViolationError")
      return brokerError(
        "BROKER_REFUSED",
        `${what}: ${reasonOf(cause)}; check what the user of --broker or BROKER_URL may do`,
        error,
      );
    const message = `${what}: ${reasonOf(error)}`;
    if (name === "TimeoutError")
      return brokerError("BROKER_UNCONFIRMED", `${message}; NATS did not answer in time`, error);
    if (hasNoListener(error) || name === "JetStreamNotEnabled")
      return brokerError("BROKER_UNAVAILABLE", `${message}; start nats-server with -js, for JetStream`, error);
    if (name === "ClosedConnectionError" || name === "DrainingConnectionError")
      return brokerError(this.#closed ? "BROKER_UNAVAILABLE" : "BROKER_UNCONFIRMED", message, error);
    if (name === "RequestError") return brokerError("BROKER_UNCONFIRMED", message, error);
    return brokerError("BROKER_REFUSED", message, error);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const connected = await this.#connecting?.catch(() => undefined);
    // Sends what is buffered, with a limit: a server that is away would be waited for.
    await connected?.connection.close().catch(() => undefined);
  }
}

/** Several pods do this at once: who comes second finds it, or what the first one made. */
async function existing(look: () => Promise<unknown>, make: () => Promise<unknown>): Promise<void> {
  if (await isThere(look())) return;
  await make().catch(async (failed: unknown) => {
    await look().catch(() => {
      throw failed;
    });
  });
}

/** Whether there is what is asked for, a stream or a consumer. Rejects while nobody can tell. */
export async function isThere(look: Promise<unknown>): Promise<boolean> {
  try {
    await look;
    return true;
  } catch (error) {
    const { name } = asError(error);
    if (name === "StreamNotFoundError" || name === "ConsumerNotFoundError") return false;
    throw error;
  }
}

/** A server that is there, on which nobody takes what was asked: JetStream is off, or a stream or consumer is gone. */
export function hasNoListener(error: unknown): boolean {
  const { name, cause } = asError(error);
  return [name, asError(cause).name].some((each) => each.startsWith("NoResponders"));
}

/** The library takes no user of a URL's. */
function credentials(url: string): { user?: string; pass?: string; servers: string } {
  const { username, password, host, protocol } = new URL(url);
  const servers = `${protocol}//${host}`;
  return username === ""
    ? { servers }
    : { servers, user: decodeURIComponent(username), pass: decodeURIComponent(password) };
}

function hostOf(url: string): string {
  return new URL(url).host;
}
