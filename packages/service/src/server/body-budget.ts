// Bytes of bodies that a service holds for its callers: of requests and raw messages that wait for their turn, of HTTP requests that are
// half received or not answered, of durable calls that no broker has confirmed. They share one budget, so that the service's memory has
// one bound; what comes in over HTTP may have a part of it only, so that whoever uploads slowly keeps nobody else out.
import { bodiesBytesMax } from "../limits.ts";

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

  /** @returns false when so many more have no room. One body alone always has. */
  take(bytes: number): boolean {
    if (this.#bytes > 0 && this.#bytes + bytes > this.#bytesMax) return false;
    if (this.#within?.take(bytes) === false) return false;
    this.#bytes += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
    this.#within?.release(bytes);
  }

  /** What one request holds, bit by bit; released together. */
  share(): BodyShare {
    let own = 0;
    return {
      take: (bytes) => {
        if (!this.take(bytes)) return false;
        own += bytes;
        return true;
      },
      release: () => {
        this.release(own);
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
