// Bytes of bodies that a service holds for its callers: of requests and raw messages that wait for their turn, of HTTP requests that are
// half received or not answered, of durable calls that no broker has confirmed. They share one budget, so that the service's memory has
// one bound; what comes in over HTTP may have a part of it only, so that whoever uploads slowly keeps nobody else out.
import { bodiesBytesMax } from "../limits.ts";
import { hasShare, type Party } from "./party.ts";

export class BodyBudget {
  #bytes = 0;
  readonly #bytesMax: number;
  readonly #within: BodyBudget | undefined;

  /** @param within the budget that this one is a part of */
  constructor(bytesMax: number = bodiesBytesMax, within?: BodyBudget) {
    this.#bytesMax = bytesMax;
    this.#within = within;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * @param party whose body it is; absent: the service's own
   * @returns false when so many more have no room, or none for that party. One body alone always has.
   */
  take(bytes: number, party?: Party): boolean {
    if (this.#bytes > 0 && this.#bytes + bytes > this.#bytesMax) return false;
    if (party !== undefined && bytes > 0 && !hasShare(party.bodyBytes, this.#bytes, this.#bytesMax)) return false;
    if (this.#within?.take(bytes) === false) return false;
    this.#bytes += bytes;
    if (party !== undefined) party.bodyBytes += bytes;
    return true;
  }

  /** @param party as it was taken */
  release(bytes: number, party?: Party): void {
    this.#bytes -= bytes;
    if (party !== undefined) party.bodyBytes -= bytes;
    this.#within?.release(bytes);
  }

  /** What one request holds, bit by bit; released together. */
  share(party?: Party): BodyShare {
    let own = 0;
    return {
      take: (bytes) => {
        if (!this.take(bytes, party)) return false;
        own += bytes;
        return true;
      },
      release: () => {
        this.release(own, party);
        own = 0;
      },
    };
  }
}

export interface BodyShare {
  /** False when too much is held already. */
  take(bytes: number): boolean;
  release(): void;
}
