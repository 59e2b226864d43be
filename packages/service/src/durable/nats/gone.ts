// Acknowledgements that a killed NATS server waits for though their messages are deleted: see leftovers.ts. They are made, since what is
// deleted is nobody's. Which those are the server doesn't tell, only how many it waits for; and which sequences are deleted, which may be
// millions behind one message that runs for long. So those are asked for only while the figures say that something is off.
import type { JetStreamManager, StreamState } from "@nats-io/jetstream";
import { natsGonePage } from "../../limits.ts";
import type { Connected } from "./connection.ts";
import { consumerName, workStream } from "./names.ts";

/** What a queue's consumer and its stream say of themselves, at nearly the same moment. */
export interface Figures {
  /** The consumer waits for nothing up to it. */
  readonly floor: number;
  /** The last that it delivered. */
  readonly delivered: number;
  /** Acknowledgements that it waits for. */
  readonly awaited: number;
  /** Messages that it has not delivered yet. */
  readonly ready: number;
  /** Of the stream: its first sequence, its last, and how many messages are between. */
  readonly first: number;
  readonly last: number;
  readonly messages: number;
}

export async function figuresOf(queue: string, { consumers, streams }: JetStreamManager): Promise<Figures> {
  const stream = workStream(queue);
  const [consumer, { state }] = await Promise.all([consumers.info(stream, consumerName), streams.info(stream)]);
  const { num_ack_pending: awaited, num_pending: ready } = consumer;
  const delivered = consumer.delivered.stream_seq;
  const floor = awaited === 0 ? delivered : consumer.ack_floor.stream_seq;
  const { first_seq: first, last_seq: last, messages } = state;
  return { floor, delivered, awaited, ready, first, last, messages };
}

/** The figures are of two moments: one that is wrong by chance is not wrong again and again. */
const readings = 3;

export class Gone {
  readonly #queue: string;
  readonly #connected: Connected;
  /** How many it still seemed to wait for in vain after the last time; undefined: nobody has looked yet. */
  #left: number | undefined;

  constructor(queue: string, connected: Connected) {
    this.#queue = queue;
    this.#connected = connected;
  }

  /**
   * Acknowledges what is deleted, if there seems to be more of that than the last time.
   * @param past how many messages of the stream the consumer is past
   */
  async acknowledge(past: () => number, signal: AbortSignal): Promise<void> {
    const read = async (): Promise<number> =>
      awaitedInVain(await figuresOf(this.#queue, this.#connected.manager), past());
    let count = Number.POSITIVE_INFINITY;
    if (this.#left !== undefined) {
      for (let times = 0; times < readings && count > this.#left; times++) count = Math.min(count, await read());
    }
    if (this.#left === undefined || count > this.#left) count = await this.#acknowledge(read, signal);
    this.#left = count;
  }

  /** @returns how many are awaited in vain afterwards. */
  async #acknowledge(read: () => Promise<number>, signal: AbortSignal): Promise<number> {
    const { manager, connection } = this.#connected;
    const stream = workStream(this.#queue);
    // The consumer first: what it has delivered by then was in the stream before.
    const { floor, delivered } = await figuresOf(this.#queue, manager);
    const { state } = await manager.streams.info(stream, { deleted_details: true });
    let made = 0;
    for (const seq of goneIn(floor, delivered, state)) {
      signal.throwIfAborted();
      connection.publish(ackSubject(stream, seq), "+ACK");
      if (++made % natsGonePage === 0 && (await read()) === 0) return 0;
    }
    return read();
  }
}

/** What is neither past, nor ready, nor awaited is not in the stream. */
function awaitedInVain({ awaited, ready, messages }: Figures, past: number): number {
  return Math.max(0, awaited + ready + past - messages);
}

/** A server that has none of those leaves `deleted` out, whatever the library's types say. */
type Stream = Pick<StreamState, "first_seq" | "last_seq"> & Partial<Pick<StreamState, "deleted">>;

/** The sequences that were delivered, and are not in the stream any more. The parameters are as in `Figures`. */
export function* goneIn(floor: number, delivered: number, stream: Stream): Generator<number> {
  const { first_seq: first, last_seq: last, deleted = [] } = stream;
  // A sequence after the stream's last is not gone, but to come.
  const end = Math.min(delivered, last);
  for (let seq = floor + 1; seq < first && seq <= end; seq++) yield seq;
  for (const seq of deleted) if (seq >= first && seq > floor && seq <= end) yield seq;
}

/**
 * Of a first delivery; the server takes the message's sequence from it, and the rest from what it remembers. The delivery's own number
 * is none that it ever gave, or it might take its floor from it.
 */
function ackSubject(stream: string, seq: number): string {
  return `$JS.ACK.${stream}.${consumerName}.1.${seq}.0.0.0`;
}
