// Durable calls over NATS JetStream: a work-queue stream for each method, one durable pull consumer that all its pods share, and a
// stream of dead letters. Deduplication is JetStream's own, by `Nats-Msg-Id`.
import type { StoredMsg } from "@nats-io/jetstream";
import type { Msg, MsgHdrs } from "@nats-io/transport-node";
import { asError } from "@wherry/core";
import { endConsumers } from "../grace.ts";
import { untilDone } from "../retrying.ts";
import type {
  Broker,
  BrokerConsumer,
  BrokerOptions,
  ConsumeOptions,
  DeadLetter,
  DeadReason,
  DeadSelection,
  Depth,
  OutgoingMessage,
  Receipt,
} from "../types.ts";
import { type Connected, NatsLink } from "./connection.ts";
import { NatsConsumer } from "./consumer.ts";
import { consumerName, contentOf, deadStream, deadSubject, header, read, workStream, workSubject } from "./names.ts";

export function openNatsBroker(url: string, options: BrokerOptions): Broker {
  return new NatsBroker(url, options);
}

class NatsBroker implements Broker {
  readonly kind = "nats";
  readonly #options: BrokerOptions;
  readonly #link: NatsLink;
  readonly #consumers: Set<NatsConsumer> = new Set();
  readonly #stop: AbortController = new AbortController();
  #closing: Promise<void> | undefined;

  constructor(url: string, options: BrokerOptions) {
    this.#options = options;
    this.#link = new NatsLink(url, options);
  }

  async publish(queue: string, message: OutgoingMessage): Promise<Receipt> {
    const { client, library } = await this.#link.ready(queue);
    const headers = library.headers();
    const { key, trace, content, body } = message;
    write(headers, header.content, String(content));
    write(headers, header.published, String(this.#options.clock.now()));
    write(headers, header.key, key);
    write(headers, header.trace, trace);
    try {
      const id = key === undefined ? {} : { msgID: encodeURIComponent(key) };
      const { seq, duplicate } = await client.publish(workSubject(queue), body ?? new Uint8Array(), { headers, ...id });
      return { id: String(seq), duplicate };
    } catch (error) {
      throw this.#link.explain(error, `the call of ${queue} was not confirmed`);
    }
  }

  async consume(queue: string, options: ConsumeOptions): Promise<BrokerConsumer> {
    const own = new AbortController();
    const signal = AbortSignal.any([own.signal, this.#stop.signal]);
    const starting = untilDone(`consuming ${queue}`, () => this.#start(queue, options, signal), signal, this.#options);
    const stop = async (): Promise<void> => {
      own.abort();
      await (await starting)?.stop();
    };
    return { stop };
  }

  async #start(queue: string, options: ConsumeOptions, signal: AbortSignal): Promise<NatsConsumer | undefined> {
    const connected = await this.#link.ready(queue);
    if (signal.aborted) return undefined;
    const { connection, library } = connected;
    const consumer = new NatsConsumer({
      ...{ ...options, queue, connection, clock: this.#options.clock, inbox: library.createInbox() },
      bury: (message, reason, count) => this.#bury(connected, queue, message, reason, count),
    });
    this.#consumers.add(consumer);
    void this.#onReconnect(connected, consumer);
    return consumer;
  }

  async #onReconnect({ connection }: Connected, consumer: NatsConsumer): Promise<void> {
    for await (const { type } of connection.status()) if (type === "reconnect") consumer.reconnected();
  }

  async #bury(
    { client, library }: Connected,
    queue: string,
    message: Msg,
    { code, message: reason }: DeadReason,
    count: number,
  ): Promise<boolean> {
    const headers = library.headers();
    for (const name of [header.content, header.published, header.key, header.trace])
      write(headers, name, read(message.headers, name));
    write(headers, header.count, String(count));
    write(headers, header.code, code);
    write(headers, header.reason, reason);
    try {
      await client.publish(deadSubject(queue), message.data, { headers });
      return true;
    } catch (error) {
      this.#options.log.warn(
        { err: asError(error), queue },
        "a dead letter could not be stored; it is delivered again",
      );
      return false;
    }
  }

  async depth(queue: string): Promise<Depth> {
    const { manager } = await this.#link.ready(queue);
    return this.#answer(queue, async () => {
      const [work, dead, consumer] = await Promise.all([
        manager.streams.info(workStream(queue)),
        manager.streams.info(deadStream(queue)),
        manager.consumers.info(workStream(queue), consumerName),
      ]);
      // Messages in a retry's pause are pending acknowledgements to JetStream.
      const inFlight = consumer.num_ack_pending;
      return { ready: work.state.messages - inFlight, inFlight, dead: dead.state.messages };
    });
  }

  async deadLetters(queue: string, limit: number): Promise<readonly DeadLetter[]> {
    return (await this.#dead(queue, limit)).map((stored) => letterOf(stored));
  }

  /** Read one by one by their sequence; there are few, or something else is wrong. */
  async #dead(queue: string, limit: number, which: DeadSelection = "all"): Promise<StoredMsg[]> {
    const { manager } = await this.#link.ready(queue);
    return this.#answer(queue, async () => {
      const { state } = await manager.streams.info(deadStream(queue));
      const found: StoredMsg[] = [];
      for (let seq = state.first_seq; seq <= state.last_seq && found.length < limit; seq++) {
        if (which !== "all" && !which.includes(String(seq))) continue;
        const stored = await manager.streams.getMessage(deadStream(queue), { seq }).catch(() => null);
        if (stored !== null) found.push(stored);
      }
      return found;
    });
  }

  async redrive(queue: string, which: DeadSelection): Promise<number> {
    const { client, library, manager } = await this.#link.ready(queue);
    const letters = await this.#dead(queue, Number.POSITIVE_INFINITY, which);
    return this.#answer(queue, async () => {
      for (const { header: from, data, seq } of letters) {
        const headers = library.headers();
        for (const name of [header.content, header.published, header.key, header.trace])
          write(headers, name, read(from, name));
        // Without a message id of its own key: that would be a duplicate. One of the letter's makes doing this twice harmless.
        await client.publish(workSubject(queue), data, { headers, msgID: `redrive ${seq}` });
        await manager.streams.deleteMessage(deadStream(queue), seq);
      }
      return letters.length;
    });
  }

  async purge(queue: string, which: DeadSelection): Promise<number> {
    const { manager } = await this.#link.ready(queue);
    return this.#answer(queue, async () => {
      if (which === "all") return (await manager.streams.purge(deadStream(queue))).purged;
      const letters = await this.#dead(queue, Number.POSITIVE_INFINITY, which);
      for (const { seq } of letters) await manager.streams.deleteMessage(deadStream(queue), seq);
      return letters.length;
    });
  }

  async #answer<T>(queue: string, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      throw this.#link.explain(error, `NATS did not answer about ${queue}`);
    }
  }

  close(graceMs = 0): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async #close(graceMs: number): Promise<void> {
    this.#stop.abort();
    await endConsumers(this.#consumers, graceMs, this.#options.clock);
    await this.#link.close();
  }
}

function write(headers: MsgHdrs, name: string, value: string | undefined): void {
  if (value !== undefined && value !== "") headers.set(name, encodeURIComponent(value));
}

function letterOf({ seq, header: headers, data, time }: StoredMsg): DeadLetter {
  const content = contentOf(headers);
  return {
    ...{ id: String(seq), key: read(headers, header.key), content, body: content === 0 ? undefined : data },
    reason: { code: read(headers, header.code) ?? "", message: read(headers, header.reason) ?? "" },
    count: Number(read(headers, header.count) ?? 0),
    publishedMs: Number(read(headers, header.published) ?? 0),
    diedMs: time.getTime(),
  };
}
