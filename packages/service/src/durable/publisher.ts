// Publishes durable calls, for clients and for pods that are called over the wire. It opens its broker at the first call, and turns
// what goes wrong there into the errors that a caller knows.
import { asError, WherryError } from "@wherry/core";
import { ServiceError } from "../errors.ts";
import type { DurableReceipt } from "../method.ts";
import { openBroker, type OpenBrokerOptions } from "./open.ts";
import type { Broker, OutgoingMessage } from "./types.ts";

export class Publisher {
  readonly #given: Broker | undefined;
  readonly #options: OpenBrokerOptions;
  #opening: Promise<Broker> | undefined;
  #closed = false;

  /** @param broker a URL, or a broker, which stays its giver's to close. */
  constructor(broker: string | Broker | undefined, options: OpenBrokerOptions) {
    this.#given = typeof broker === "object" ? broker : undefined;
    this.#options = typeof broker === "string" ? { ...options, url: broker } : options;
  }

  /**
   * Fails with UNAVAILABLE (not stored) or ABORTED (maybe stored: with a key, the same again is safe).
   * @param begin called when the broker is there and is given the message next; false: it is not given any more.
   */
  async publish(queue: string, message: OutgoingMessage, begin: () => boolean = () => true): Promise<DurableReceipt> {
    try {
      const broker = await this.broker();
      await broker.ready?.(queue);
      if (!begin()) throw new ServiceError("CANCELLED", "its caller waits no longer", { fate: "not-started" });
      return await broker.publish(queue, message);
    } catch (error) {
      throw callerError(error);
    }
  }

  /** A failure to open is not kept: the next call tries again. */
  async broker(): Promise<Broker> {
    if (this.#closed) throw new ServiceError("CLOSED", "the client was closed", { fate: "not-started" });
    if (this.#given !== undefined) return this.#given;
    this.#opening ??= openBroker(this.#options).catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const broker = await this.#opening?.catch(() => undefined);
    await broker?.close();
  }
}

function callerError(error: unknown): Error {
  if (ServiceError.is(error) || !WherryError.is(error)) return asError(error);
  const { message, retryable, code } = error;
  if (code === "BROKER_UNCONFIRMED")
    return new ServiceError("ABORTED", message, { retryable, fate: "maybe-executed", cause: error });
  return new ServiceError("UNAVAILABLE", message, { retryable, fate: "not-started", cause: error });
}
