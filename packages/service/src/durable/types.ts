// What a broker promises to durable calls. One contract, four brokers (SQLite, RabbitMQ, NATS JetStream, Kafka), and one suite,
// broker.suite.ts, that every one of them passes. A broker stores and hands out messages; it never runs a method.
//
//   publish ──► ready ──deliver──► in flight ──ack──► gone
//                 ▲                   │  retry(delayMs), release, the consumer died
//                 └───────────────────┤
//                                     └──deadLetter(reason)──► dead ──redrive──► ready
//
// A message is at all times in exactly one of these places, on the broker's disk: that is all that "nothing lost" means here. It
// may be delivered more than once; it is never delivered to two consumers that both live, except when one of them lost its
// connection (its `ack` then resolves to false).
import type { Clock, Logger, Random } from "@wherry/core";
import type { ContentType } from "../protocol/codes.ts";

/** What is published. The body is as in the request protocol: see protocol/content.ts. */
export interface OutgoingMessage {
  readonly content: ContentType;
  readonly body: Uint8Array | undefined;
  /** The name of the codec that made the body; of coded content only. */
  readonly codec?: string | undefined;
  /** Two messages of one queue with the same key, within the broker's window, are one message. At most 255 bytes. */
  readonly key?: string | undefined;
  /** W3C `traceparent` and `tracestate` of the caller. */
  readonly trace?: string | undefined;
  readonly traceState?: string | undefined;
}

/** The broker has the message on its disk. */
export interface Receipt {
  /** The message's name at its broker; for people and logs. Of a duplicate, the first one's where the broker tells. */
  readonly id: string;
  /** True: a message with this key was stored before, and this one was not. Always false where only the consumer can tell (Kafka). */
  readonly duplicate: boolean;
}

/** One message, handed to one consumer. Exactly one of its four methods must be called, once. None of them rejects. */
export interface Delivery extends OutgoingMessage {
  readonly id: string;
  /** When it was published, milliseconds since the Unix epoch by the publisher's or the broker's clock. */
  readonly publishedMs: number;
  /** 1 for the first delivery. A consumer that dies while it has the message raises it, too; one that hands it back does not. */
  readonly count: number;
  /** The message is dealt with and forgotten. Each resolves to false when it was no longer ours: it will be, or was, delivered again. */
  ack(): Promise<boolean>;
  /** It failed; deliver it again after `delayMs`, to whoever is there then. */
  retry(delayMs: number): Promise<boolean>;
  /** It was not started; deliver it again at once, elsewhere, with the same count. Where the server counts deliveries, it goes to the back. */
  release(): Promise<boolean>;
  /** It shall not be delivered again; kept with the reason until someone decides. */
  deadLetter(reason: DeadReason): Promise<boolean>;
}

/** Why a message is dead: a code as of a `ServiceError`, or REDELIVERIES, and a sentence. */
export interface DeadReason {
  readonly code: string;
  readonly message: string;
}

export interface ConsumeOptions {
  /** Deliveries handed out and not yet settled, at most. */
  readonly prefetch: number;
  /** Called once a delivery, never after `stop` resolved. */
  readonly deliver: (delivery: Delivery) => void;
}

/** A queue's consumer in this process. */
export interface BrokerConsumer {
  /**
   * Asks for nothing more, and hands back what the broker sent but `deliver` has not been given. Deliveries that are out can
   * still be settled. Resolves when no `deliver` will come.
   */
  stop(): Promise<void>;
}

export interface DeadLetter {
  readonly id: string;
  readonly key: string | undefined;
  readonly content: ContentType;
  readonly codec: string | undefined;
  readonly body: Uint8Array | undefined;
  readonly reason: DeadReason;
  /** Deliveries it had. */
  readonly count: number;
  readonly publishedMs: number;
  readonly diedMs: number;
}

/** Which dead letters: those named, or all. */
export type DeadSelection = "all" | readonly string[];

/** What is in a queue. `undefined`: this broker doesn't tell. */
export interface Depth {
  /** Waiting, those of a retry's pause included (to NATS those are in flight; Kafka's are all that is not done). */
  readonly ready: number;
  readonly inFlight: number | undefined;
  readonly dead: number;
}

export interface Broker {
  readonly kind: "sqlite" | "rabbitmq" | "nats" | "kafka";
  /**
   * Resolves when its server is there, with all that a publish to the queue needs: what fails before was given to nobody. Absent where
   * there is no server.
   * @throws WherryError BROKER_UNAVAILABLE, BROKER_REFUSED
   */
  ready?(queue: string): Promise<void>;
  /**
   * Resolves when the message is stored for good, and only then.
   * @throws WherryError BROKER_UNAVAILABLE (retryable): it may or may not have been stored; the same key again is safe.
   *   BROKER_REFUSED: it was not stored, and why.
   */
  publish(queue: string, message: OutgoingMessage): Promise<Receipt>;
  /** Starts to hand out a queue's messages; reconnects by itself until stopped. */
  consume(queue: string, options: ConsumeOptions): Promise<BrokerConsumer>;
  depth(queue: string): Promise<Depth>;
  /**
   * Is there such a queue: has a pod ever consumed it, or a call been stored? Makes none, as the others do. `undefined`: it is empty, and
   * this broker keeps no queues beside their messages.
   */
  hasQueue(queue: string): Promise<boolean | undefined>;
  /** The oldest first. */
  deadLetters(queue: string, limit: number): Promise<readonly DeadLetter[]>;
  /** Makes dead letters ready again, with a count that starts anew. @returns how many. */
  redrive(queue: string, which: DeadSelection): Promise<number>;
  /** Deletes dead letters. @returns how many. */
  purge(queue: string, which: DeadSelection): Promise<number>;
  /**
   * Stops every consumer, waits for deliveries that are out, up to `graceMs`, and closes. What is not settled by then is
   * delivered elsewhere at once. Idempotent; never rejects.
   */
  close(graceMs?: number): Promise<void>;
}

/** What every broker is given. */
export interface BrokerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Milliseconds in which a second message with the same key is a duplicate. */
  readonly dedupeWindowMs: number;
}
