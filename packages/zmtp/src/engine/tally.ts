// What is queued to all peers of one socket together: its limits, and who is told when there is room again or nothing is left.

export interface TallyLimits {
  readonly sendQueueMessagesMax: number;
  readonly sendQueueBytesMax: number;
}

export class Tally {
  messages = 0;
  bytes = 0;
  readonly #messagesMax: number;
  readonly #bytesMax: number;
  /** Called at half the limits, after `room` said no. */
  readonly #onRoom: () => void;
  readonly #onEmpty: () => void;
  #full = false;

  constructor(tallyLimits: TallyLimits, onRoom: () => void, onEmpty: () => void) {
    this.#messagesMax = tallyLimits.sendQueueMessagesMax;
    this.#bytesMax = tallyLimits.sendQueueBytesMax;
    this.#onRoom = onRoom;
    this.#onEmpty = onEmpty;
  }

  room(): boolean {
    if (this.messages < this.#messagesMax && this.bytes < this.#bytesMax) return true;
    this.#full = true;
    return false;
  }

  /** So much is queued no longer: it was written, or its peer has left. */
  less(messages: number, bytes: number): void {
    this.messages -= messages;
    this.bytes -= bytes;
    if (this.#full && this.messages * 2 <= this.#messagesMax && this.bytes * 2 <= this.#bytesMax) {
      this.#full = false;
      this.#onRoom();
    }
    if (this.bytes === 0) this.#onEmpty();
  }
}
