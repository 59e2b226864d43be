// One connection to RabbitMQ, made at the first use and again after it broke, with one channel for publishes, all of them confirmed.
import type { Channel, ChannelModel, ConfirmChannel, Options } from "amqplib";
import { asError } from "@wherry/core";
import { brokerConfirmMs, brokerConnectMs } from "../../limits.ts";
import { brokerError, reasonOf, unreachable } from "../errors.ts";
import { loadLibrary } from "../library.ts";
import type { Texts } from "../headers.ts";
import type { BrokerOptions } from "../types.ts";
import { deadOptions, deadQueue, workOptions, workQueue } from "./names.ts";

/** AMQP's codes, and how the library says that the server closed instead of opening the virtual host. */
const refused = /\b(403|530)\b|got <ConnectionClose/;

export class RabbitLink {
  readonly #url: string;
  readonly #options: BrokerOptions;
  #connecting: Promise<ChannelModel> | undefined;
  #publishing: Promise<ConfirmChannel> | undefined;
  /** Why RabbitMQ takes no publishes now: it is out of disk or memory. */
  #blocked: string | undefined;
  readonly #declared: Map<string, Promise<void>> = new Map();
  /** Publishes not confirmed yet, and how they fail when their message was returned. */
  readonly #returned: Set<string> = new Set();
  #closed = false;

  constructor(url: string, options: BrokerOptions) {
    this.#url = url;
    this.#options = options;
  }

  /** @throws WherryError BROKER_UNAVAILABLE; the next call tries again. */
  connected(): Promise<ChannelModel> {
    if (this.#closed)
      return Promise.reject(brokerError("BROKER_UNAVAILABLE", "this connection to RabbitMQ was closed"));
    this.#connecting ??= this.#connect().catch((error: unknown) => {
      this.#connecting = undefined;
      throw error;
    });
    return this.#connecting;
  }

  async #connect(): Promise<ChannelModel> {
    const { connect } = await loadLibrary("amqplib", () => import("amqplib"));
    try {
      const connection = await connect(this.#url, {
        timeout: brokerConnectMs,
        clientProperties: { connection_name: "wherry" },
      });
      // What is wrong is told to those who wait for an answer; without a listener it would end the process.
      connection.on("error", (error) => this.#options.log.debug({ err: error }, "the connection to RabbitMQ broke"));
      connection.on("close", () => this.#forget());
      connection.on("blocked", (reason) => (this.#blocked = reason));
      connection.on("unblocked", () => (this.#blocked = undefined));
      return connection;
    } catch (error) {
      const { host } = new URL(this.#url);
      throw unreachable(`RabbitMQ at ${host}`, error, refused.test(reasonOf(error)));
    }
  }

  #forget(): void {
    this.#connecting = undefined;
    this.#publishing = undefined;
    this.#blocked = undefined;
    this.#declared.clear();
  }

  /** A channel of its own, for consumers, and for what may fail: an error ends its whole channel. */
  async channel(): Promise<Channel> {
    try {
      const channel = await (await this.connected()).createChannel();
      channel.on("error", () => undefined);
      return channel;
    } catch (error) {
      throw this.#unreachable(error);
    }
  }

  /** Declares the queue's work and dead letters, once a connection. */
  async ready(queue: string): Promise<void> {
    await this.declare(deadQueue(queue), deadOptions);
    await this.declare(workQueue(queue), workOptions(queue));
  }

  async declare(name: string, options: Options.AssertQueue): Promise<void> {
    // First, because a new connection forgets what was declared.
    await this.connected();
    let declared = this.#declared.get(name);
    if (declared === undefined) {
      declared = this.#declare(name, options);
      this.#declared.set(name, declared);
      declared.catch(() => this.#declared.delete(name));
    }
    await declared;
  }

  /** Somebody deleted the queue: it is declared at its next use. */
  forget(name: string): void {
    this.#declared.delete(name);
  }

  async #declare(name: string, options: Options.AssertQueue): Promise<void> {
    const channel = await this.channel();
    try {
      await channel.assertQueue(name, options);
      await channel.close();
    } catch (error) {
      const { code } = error as { code?: number };
      const message = `queue ${name} could not be declared: ${reasonOf(error)}`;
      // 406: it exists, declared in another way; 403: no rights.
      throw brokerError(code === 406 || code === 403 ? "BROKER_REFUSED" : "BROKER_UNAVAILABLE", message, error);
    }
  }

  /** Resolves when RabbitMQ has confirmed it: stored on the disks of a majority. */
  async publish(name: string, id: string, body: Uint8Array, given: Texts): Promise<void> {
    const channel = await this.#confirmChannel();
    const headers = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    const options = { persistent: true, mandatory: true, messageId: id, headers };
    const late = new AbortController();
    const confirmed = new Promise<void>((resolve, reject) => {
      const done = (error: unknown): void => (error === null ? resolve() : reject(asError(error)));
      try {
        channel.publish("", name, Buffer.from(body.buffer, body.byteOffset, body.byteLength), options, done);
      } catch (error) {
        reject(asError(error));
      }
    });
    try {
      await Promise.race([confirmed, this.#unconfirmed(name, late.signal)]);
    } catch (error) {
      confirmed.catch(() => undefined);
      throw brokerError(
        "BROKER_UNCONFIRMED",
        `RabbitMQ did not confirm a message for ${name}: ${reasonOf(error)}`,
        error,
      );
    } finally {
      late.abort("settled");
    }
    if (!this.#returned.delete(id)) return;
    this.#declared.clear();
    throw brokerError("BROKER_UNAVAILABLE", `queue ${name} is gone; it is declared again at the next call`);
  }

  async #unconfirmed(name: string, settled: AbortSignal): Promise<never> {
    await this.#options.clock.sleep(brokerConfirmMs, settled);
    const why = this.#blocked === undefined ? "" : `; it takes none now: ${this.#blocked}`;
    throw new Error(`no answer for ${brokerConfirmMs} ms about ${name}${why}`);
  }

  #confirmChannel(): Promise<ConfirmChannel> {
    this.#publishing ??= this.#openConfirmChannel().catch((error: unknown) => {
      this.#publishing = undefined;
      throw this.#unreachable(error);
    });
    return this.#publishing;
  }

  async #openConfirmChannel(): Promise<ConfirmChannel> {
    const channel = await (await this.connected()).createConfirmChannel();
    channel.on("error", () => undefined);
    channel.on("close", () => (this.#publishing = undefined));
    // Comes before the confirmation of the same message.
    channel.on("return", ({ properties }) => this.#returned.add(String(properties.messageId)));
    return channel;
  }

  #unreachable(error: unknown): Error {
    return brokerError("BROKER_UNAVAILABLE", `RabbitMQ did not open a channel: ${reasonOf(error)}`, error);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const connection = await this.#connecting?.catch(() => undefined);
    await connection?.close().catch(() => undefined);
  }
}
