// What a killed server of NATS leaves behind. It writes down which messages were acknowledged, and that they are deleted, each in its
// own time; after a kill -9 the two may not agree (seen with 2.9.10):
//
// - Messages come back that were acknowledged and deleted. The consumer is past them, so they would stay for ever.
// - The consumer is past messages that it never delivered: it has skipped them, or their sequences were given away a second time.
// - The consumer waits for acknowledgements of messages that are deleted. It tries to deliver them again and again, and takes a turn of
//   one that is there each time; it forgets them only when no earlier message is left in the stream.
//
// Seen by others, too: https://github.com/nats-io/nats-server/issues/4736 (the second), and pull request 6387, which ends the third.
//
// The first two look the same, but a pod knows what it acknowledged itself, by sequence and time: it deletes that. What no pod has
// claimed so is delivered again, as a copy: at least once, never not at all. The third is acknowledged: what is deleted is nobody's.
import type { StoredMsg, StreamState } from "@nats-io/jetstream";
import { asError } from "@wherry/core";
import { brokerReconnectFirstMs, natsLeftoversMax, natsLeftoversPauseMs, natsUnclaimedMs } from "../../limits.ts";
import type { BrokerOptions } from "../types.ts";
import type { Connected } from "./connection.ts";
import { consumerName, workStream } from "./names.ts";

interface LeftoversOptions extends Pick<BrokerOptions, "clock" | "log"> {
  /** Has this process finished the message of a queue with that sequence, stored at that time? */
  readonly finished: (queue: string, seq: number, storedMs: number) => boolean;
  /** Stores a copy at the end of its queue; resolves to false when it could not be. */
  readonly again: (queue: string, message: StoredMsg, connected: Connected) => Promise<boolean>;
}

/** One queue's looks, until all is clean that there was at the first. */
interface Looking {
  readonly stop: AbortController;
  /** When each message that is past was first seen. */
  readonly sinceMs: Map<string, number>;
  untilSeq?: number;
}

export class Leftovers {
  readonly #options: LeftoversOptions;
  readonly #looking: Map<string, Looking> = new Map();
  #closed = false;

  constructor(options: LeftoversOptions) {
    this.#options = options;
  }

  /** A server was met, or met again. */
  look(queue: string, connected: Connected): void {
    const before = this.#looking.get(queue);
    before?.stop.abort();
    if (this.#closed) return;
    const looking: Looking = { stop: new AbortController(), sinceMs: before?.sinceMs ?? new Map<string, number>() };
    this.#looking.set(queue, looking);
    void this.#look(queue, connected, looking);
  }

  close(): void {
    this.#closed = true;
    for (const { stop } of this.#looking.values()) stop.abort();
  }

  async #look(queue: string, connected: Connected, looking: Looking): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = looking.stop;
    const stopped = (): boolean => signal.aborted;
    for (let pauseMs = brokerReconnectFirstMs; !stopped(); pauseMs = Math.min(natsLeftoversPauseMs, pauseMs * 2)) {
      try {
        if (await this.#clean(queue, connected, looking)) return;
      } catch (error) {
        // It went away again, or is not there yet; or another pod deleted the same message first.
        log.debug({ err: asError(error), queue }, "NATS did not tell, or delete, what it has of a queue");
      }
      await clock.sleep(pauseMs, signal).catch(() => undefined);
    }
  }

  /** @returns whether all that was there at the first look is done. */
  async #clean(queue: string, connected: Connected, looking: Looking): Promise<boolean> {
    const { manager, connection } = connected;
    const stream = workStream(queue);
    // The consumer first: what it has delivered by then was in the stream before.
    const consumer = await manager.consumers.info(stream, consumerName);
    const { state } = await manager.streams.info(stream, { deleted_details: true });
    const delivered = consumer.delivered.stream_seq;
    const floor = consumer.num_ack_pending === 0 ? delivered : consumer.ack_floor.stream_seq;
    const { past, gone } = leftoversIn(floor, delivered, state);
    for (const seq of gone.slice(0, natsLeftoversMax)) connection.publish(ackSubject(stream, seq), "+ACK");
    for (const seq of past.slice(0, natsLeftoversMax)) await this.#settle(queue, seq, connected, looking);
    // Sequences that the stream has lost, and gives away again, are watched, too.
    looking.untilSeq ??= Math.max(state.last_seq, delivered);
    return past.length === 0 && floor >= looking.untilSeq && state.last_seq >= looking.untilSeq;
  }

  async #settle(queue: string, seq: number, connected: Connected, { sinceMs }: Looking): Promise<void> {
    const { clock, log, finished, again } = this.#options;
    const message = await connected.manager.streams.getMessage(workStream(queue), { seq });
    if (message === null) return;
    const storedMs = message.time.getTime();
    const done = finished(queue, seq, storedMs);
    if (!done) {
      const name = `${seq} ${storedMs}`;
      const nowMs = clock.monotonic();
      const firstMs = sinceMs.get(name) ?? nowMs;
      sinceMs.set(name, firstMs);
      if (nowMs - firstMs < natsUnclaimedMs || !(await again(queue, message, connected))) return;
      log.info(
        { queue, seq },
        "NATS had a message that it would not deliver, and that no pod has finished: it is run again",
      );
    }
    await connected.manager.streams.deleteMessage(workStream(queue), seq, false);
  }
}

interface Sequences {
  /** In the stream, though the consumer is past them. */
  readonly past: readonly number[];
  /** Delivered, and not in the stream any more. */
  readonly gone: readonly number[];
}

/** A server that has none of those leaves `deleted` out, whatever the library's types say. */
type Stream = Pick<StreamState, "first_seq" | "last_seq"> & Partial<Pick<StreamState, "deleted">>;

/** @param floor the consumer waits for nothing up to it. @param delivered the last that it delivered */
export function leftoversIn(floor: number, delivered: number, stream: Stream): Sequences {
  const { first_seq: first, last_seq: last, deleted = [] } = stream;
  const absent = new Set(deleted);
  const past: number[] = [];
  for (let seq = first; seq <= Math.min(floor, last); seq++) if (!absent.has(seq)) past.push(seq);
  const gone: number[] = [];
  // A sequence after the stream's last is not gone, but to come.
  for (let seq = floor + 1; seq <= Math.min(delivered, last); seq++) if (seq < first || absent.has(seq)) gone.push(seq);
  return { past, gone };
}

/** Of a first delivery; the server takes the message's sequence from it, and the rest from what it remembers. */
function ackSubject(stream: string, seq: number): string {
  return `$JS.ACK.${stream}.${consumerName}.1.${seq}.${seq}.0.0`;
}
