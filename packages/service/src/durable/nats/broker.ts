// Durable calls over NATS JetStream: a work-queue stream for each method, one durable pull consumer that all its pods share, and a
// stream of dead letters. Deduplication is JetStream's own, by `Nats-Msg-Id`.
import type { StoredMsg } from "@nats-io/jetstream";
import type { Msg } from "@nats-io/transport-node";
import { asError } from "@wherry/core";
import { Consumers } from "../consumers.ts";
import { deadHeaders, header, headersOf, keptOf, letterOf, type Texts } from "../headers.ts";
import { Presence } from "../presence.ts";
import type {
  Broker,
  BrokerConsumer,
  BrokerOptions,
  ConsumeOptions,
  DeadLetter,
  DeadSelection,
  Depth,
  OutgoingMessage,
  Receipt,
} from "../types.ts";
import { type Connected, hasNoListener, isThere, NatsLink } from "./connection.ts";
import { NatsConsumer } from "./consumer.ts";
import { Finished } from "./finished.ts";
import { Leftovers } from "./leftovers.ts";
import {
  consumerName,
  deadStream,
  deadSubject,
  type DeliveryFacts,
  textsOf,
  workStream,
  workSubject,
  write,
} from "./names.ts";

export function openNatsBroker(url: string, options: BrokerOptions): Broker {
  return new NatsBroker(url, options);
}

class NatsBroker implements Broker {
  readonly kind = "nats";
  readonly #options: BrokerOptions;
  readonly #link: NatsLink;
  readonly #presence: Presence;
  readonly #consumers: Consumers<NatsConsumer>;
  readonly #leftovers: Leftovers;
  readonly #finished: Map<string, Finished> = new Map();
  /** Told once of each connection. */
  readonly #followed: WeakSet<object> = new WeakSet();
  #closing: Promise<void> | undefined;

  constructor(url: string, options: BrokerOptions) {
    this.#options = options;
    this.#link = new NatsLink(url, options);
    this.#presence = new Presence("NATS", options);
    this.#consumers = new Consumers(options, this.#presence);
    this.#leftovers = new Leftovers({
      ...options,
      finished: (queue, seq, storedMs) => this.#finishedOf(queue).has(seq, storedMs),
      again: (queue, message, connected) => this.#runAgain(queue, message, connected),
    });
  }

  async ready(queue: string): Promise<void> {
    await this.#link.ready(queue);
  }

  async publish(queue: string, message: OutgoingMessage): Promise<Receipt> {
    const connected = await this.#link.ready(queue);
    const { key, body = new Uint8Array() } = message;
    const headers = headersOf(message, this.#options.clock.now());
    try {
      const msgID = key === undefined ? undefined : encodeURIComponent(key);
      const { seq, duplicate } = await this.#store(connected, workSubject(queue), body, headers, msgID);
      return { id: String(seq), duplicate };
    } catch (error) {
      // Nobody listens: its stream was deleted, or the server has no JetStream. The next call makes it, or says so.
      if (hasNoListener(error)) this.#link.forget(queue);
      throw this.#link.explain(error, `the call of ${queue} was not confirmed`);
    }
  }

  /** @param msgID of two with the same one, JetStream stores the first. */
  #store({ client, library }: Connected, subject: string, data: Uint8Array, headers: Texts, msgID?: string) {
    const options = msgID === undefined ? {} : { msgID };
    return client.publish(subject, data, { headers: write(library.headers(), headers), ...options });
  }

  async consume(queue: string, options: ConsumeOptions): Promise<BrokerConsumer> {
    return this.#consumers.add(() => this.#start(queue, options));
  }

  async #start(queue: string, options: ConsumeOptions): Promise<NatsConsumer> {
    const connected = await this.#link.ready(queue);
    const { connection, library } = connected;
    void this.#follow(connected);
    this.#leftovers.look(queue, connected);
    return new NatsConsumer({
      ...{ ...options, queue, connection, clock: this.#options.clock, inbox: library.createInbox() },
      isThere: () => isThere(connected.manager.consumers.info(workStream(queue), consumerName)),
      gone: () => this.#gone(queue),
      remove: (facts) => this.#remove(queue, facts, connected),
      finished: this.#finishedOf(queue),
      storedAt: (seq) => this.#storedAt(queue, seq, connected),
      bury: (message, reason, count) =>
        this.#copy(connected, deadSubject(queue), message, (headers) =>
          deadHeaders(headers, reason, count, this.#options.clock.now()),
        ),
      again: (message, count, msgID) =>
        this.#copy(
          connected,
          workSubject(queue),
          message,
          (headers) => ({ ...keptOf(headers), [header.count]: String(count) }),
          msgID,
        ),
    });
  }

  async #remove(queue: string, { seq, storedMs }: DeliveryFacts, connected: Connected): Promise<boolean> {
    if ((await this.#storedAt(queue, Number(seq), connected)) !== storedMs) return true;
    return connected.manager.streams.deleteMessage(workStream(queue), Number(seq), false);
  }

  #gone(queue: string): void {
    this.#link.forget(queue);
    const message =
      "NATS has no consumer of a queue any more, as if somebody had deleted it; it is made again, and what was not done is delivered again";
    this.#options.log.warn({ queue }, message);
  }

  #finishedOf(queue: string): Finished {
    let finished = this.#finished.get(queue);
    if (finished === undefined) {
      finished = new Finished();
      this.#finished.set(queue, finished);
    }
    return finished;
  }

  async #storedAt(queue: string, seq: number, { manager }: Connected): Promise<number | undefined> {
    return (await manager.streams.getMessage(workStream(queue), { seq }))?.time.getTime();
  }

  /** Two pods that do the same are one, by the message's id. */
  #runAgain(queue: string, { header: headers, data, seq, time }: StoredMsg, connected: Connected): Promise<boolean> {
    const texts = textsOf(headers);
    const kept = (): Texts => ({ ...keptOf(texts), [header.count]: texts[header.count] });
    return this.#copy(connected, workSubject(queue), { headers, data }, kept, `again ${seq} ${time.getTime()}`);
  }

  /** The library reconnects by itself; what it does is told to the consumers, and to the log. */
  async #follow(connected: Connected): Promise<void> {
    const { connection } = connected;
    if (this.#followed.has(connected)) return;
    this.#followed.add(connected);
    for await (const { type } of connection.status()) {
      if (type === "disconnect") this.#presence.away(new Error(`the connection to ${connection.getServer()} broke`));
      if (type !== "reconnect") continue;
      this.#presence.back();
      for (const consumer of this.#consumers) {
        consumer.reconnected();
        this.#leftovers.look(consumer.queue, connected);
      }
    }
  }

  async #copy(
    connected: Connected,
    subject: string,
    { headers, data }: Pick<Msg, "headers" | "data">,
    change: (headers: Texts) => Texts,
    msgID?: string,
  ): Promise<boolean> {
    try {
      await this.#store(connected, subject, data, change(textsOf(headers)), msgID);
      return true;
    } catch (error) {
      const { log } = this.#options;
      log.warn({ err: asError(error), subject }, "a message could not be stored elsewhere; it is delivered again");
      return false;
    }
  }

  async depth(queue: string): Promise<Depth> {
    const { manager } = await this.#link.ready(queue);
    return this.#answer(queue, async () => {
      const [dead, consumer] = await Promise.all([
        manager.streams.info(deadStream(queue)),
        manager.consumers.info(workStream(queue), consumerName),
      ]);
      // Not of the stream's messages: a server that was killed keeps some that it had deleted, and that nobody will get again.
      // Messages in a retry's pause are pending acknowledgements to JetStream.
      return { ready: consumer.num_pending, inFlight: consumer.num_ack_pending, dead: dead.state.messages };
    });
  }

  async hasQueue(queue: string): Promise<boolean> {
    const { manager } = await this.#link.connected();
    return this.#answer(queue, () => isThere(manager.streams.info(workStream(queue))));
  }

  async deadLetters(queue: string, limit: number): Promise<readonly DeadLetter[]> {
    // When it was stored there is when it died.
    return (await this.#dead(queue, limit)).map(({ seq, header: headers, data, time }) => ({
      ...letterOf(String(seq), textsOf(headers), data),
      diedMs: time.getTime(),
    }));
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
    const connected = await this.#link.ready(queue);
    const { manager } = connected;
    const letters = await this.#dead(queue, Number.POSITIVE_INFINITY, which);
    return this.#answer(queue, async () => {
      for (const { header: headers, data, seq } of letters) {
        // Without a message id of its own key: that would be a duplicate. One of the letter's makes doing this twice harmless.
        await this.#store(connected, workSubject(queue), data, keptOf(textsOf(headers)), `redrive ${seq}`);
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
    this.#leftovers.close();
    await this.#consumers.close(graceMs);
    await this.#link.close();
  }
}
