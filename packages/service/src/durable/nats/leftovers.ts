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
// claimed so is delivered again, as a copy: at least once, never not at all. The third is acknowledged (gone.ts).
//
// A message that runs for hours keeps a queue from being clean for as long, so a look costs two small requests, whatever was done
// meanwhile. What is remembered is there still, and bounded; what is beyond that is come to later.
import type { StoredMsg } from "@nats-io/jetstream";
import { asError } from "@wherry/core";
import { brokerReconnectFirstMs, natsLeftoversPauseMs, natsUnclaimedMax, natsUnclaimedMs } from "../../limits.ts";
import type { BrokerOptions } from "../types.ts";
import type { Connected } from "./connection.ts";
import { figuresOf, Gone } from "./gone.ts";
import { workStream, workSubject } from "./names.ts";

interface LeftoversOptions extends Pick<BrokerOptions, "clock" | "log"> {
  /** Has this process finished the message of a queue with that sequence, stored at that time? */
  readonly finished: (queue: string, seq: number, storedMs: number) => boolean;
  /** Stores a copy at the end of its queue; resolves to false when it could not be. */
  readonly again: (queue: string, message: StoredMsg, connected: Connected) => Promise<boolean>;
  /** Messages of a queue that wait to be claimed at a time; those beyond are come to later. */
  readonly unclaimedMax?: number;
}

/** A message that is past, and that nobody has claimed so far. */
interface Unclaimed {
  readonly storedMs: number;
  /** When it was first seen, by the clock that never jumps. */
  readonly sinceMs: number;
}

/** One queue's looks, until all is clean that there was at the first. */
interface Looking {
  readonly stop: AbortController;
  readonly gone: Gone;
  /** By sequence, bounded. */
  readonly unclaimed: Map<number, Unclaimed>;
  /** The first sequence that was not looked at yet. */
  nextSeq: number;
  /** The first that was, and is neither done nor remembered: there was no room. */
  skippedSeq: number | undefined;
  /** What there was at the first look. */
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
    // Who waits to be claimed does not begin anew.
    const unclaimed = before?.unclaimed ?? new Map<number, Unclaimed>();
    const gone = new Gone(queue, connected);
    const looking: Looking = { stop: new AbortController(), gone, unclaimed, nextSeq: 0, skippedSeq: undefined };
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
        if (await this.#clean(queue, connected, looking)) {
          if (!stopped()) this.#looking.delete(queue);
          return;
        }
      } catch (error) {
        // It went away again, or is not there yet.
        log.debug({ err: asError(error), queue }, "NATS did not tell, or delete, what it has of a queue");
      }
      await clock.sleep(pauseMs, signal).catch(() => undefined);
    }
  }

  /** @returns whether all that was there at the first look is done. */
  async #clean(queue: string, connected: Connected, looking: Looking): Promise<boolean> {
    const { unclaimed, gone, stop } = looking;
    const { floor, delivered, first, last } = await figuresOf(queue, connected.manager);
    // Sequences that the stream has lost, and gives away again, are watched, too.
    looking.untilSeq ??= Math.max(last, delivered);
    const pastSeq = Math.min(floor, last);
    if (first <= pastSeq) {
      await this.#walk(queue, first, pastSeq, connected, looking);
      await this.#settle(queue, connected, looking);
    } else unclaimed.clear();
    await gone.acknowledge(() => unclaimed.size, stop.signal);
    return first > pastSeq && floor >= looking.untilSeq && last >= looking.untilSeq;
  }

  /** Looks at each message that is past, once: deletes what is done, and remembers the others, for as many as there is room. */
  async #walk(queue: string, first: number, to: number, connected: Connected, looking: Looking): Promise<void> {
    const { unclaimed, stop, nextSeq } = looking;
    const { clock, finished, unclaimedMax = natsUnclaimedMax } = this.#options;
    const sinceMs = clock.monotonic();
    const hasRoom = unclaimed.size < unclaimedMax;
    const from = Math.max(first, hasRoom ? (looking.skippedSeq ?? nextSeq) : nextSeq);
    let skippedSeq = hasRoom ? undefined : looking.skippedSeq;
    for await (const message of stored(queue, from, to, connected)) {
      if (stop.signal.aborted) return;
      const { seq } = message;
      const storedMs = message.time.getTime();
      if (finished(queue, seq, storedMs)) await this.#delete(queue, seq, connected, looking);
      else if (unclaimed.get(seq)?.storedMs === storedMs) continue;
      else if (unclaimed.size < unclaimedMax) unclaimed.set(seq, { storedMs, sinceMs });
      else skippedSeq ??= seq;
    }
    looking.skippedSeq = skippedSeq;
    // If nothing waits, and yet something is past, it came when the walk was over it.
    looking.nextSeq = unclaimed.size === 0 ? 0 : to + 1;
  }

  /** What this pod finished meanwhile is deleted, and what nobody has claimed in time is run again. */
  async #settle(queue: string, connected: Connected, looking: Looking): Promise<void> {
    const { clock, log, finished, again } = this.#options;
    const { unclaimed, stop } = looking;
    const nowMs = clock.monotonic();
    for (const [seq, { storedMs, sinceMs }] of unclaimed) {
      const done = finished(queue, seq, storedMs);
      if (!done && nowMs - sinceMs < natsUnclaimedMs) continue;
      const message = await connected.manager.streams.getMessage(workStream(queue), { seq });
      if (stop.signal.aborted) return;
      if (message?.time.getTime() !== storedMs) unclaimed.delete(seq);
      else if (done || (await again(queue, message, connected))) {
        if (!done)
          log.info(
            { queue, seq },
            "NATS had a message that it would not deliver, and that no pod has finished: it is run again",
          );
        await this.#delete(queue, seq, connected, looking);
      }
    }
  }

  async #delete(queue: string, seq: number, connected: Connected, { unclaimed }: Looking): Promise<void> {
    const { streams } = connected.manager;
    await streams.deleteMessage(workStream(queue), seq, false).catch(async (error: unknown) => {
      // Another pod was first.
      if ((await streams.getMessage(workStream(queue), { seq })) !== null) throw error;
    });
    unclaimed.delete(seq);
  }
}

/** The messages of a queue in a range of sequences, one request each, however many between them are deleted. */
async function* stored(queue: string, from: number, to: number, { manager }: Connected): AsyncGenerator<StoredMsg> {
  for (let seq = from; seq <= to; seq++) {
    const next = { seq, next_by_subj: workSubject(queue) };
    const message = await manager.streams.getMessage(workStream(queue), next);
    if (message === null || message.seq > to) return;
    yield message;
    seq = message.seq;
  }
}
