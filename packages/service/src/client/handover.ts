// Whether a durable call has been handed to its broker, so that its caller is told what is true when it waits no longer. What was given up
// before that is never handed over later.
import type { RequestFate, ServiceError } from "../errors.ts";

export class Handover {
  #isOut = false;
  #maybeStored = false;
  #givenUp = false;
  #last: ServiceError | undefined;

  /** Right before each time that the broker gets the message. False: it must not get it, since its caller was told so. */
  begin(): boolean {
    if (this.#givenUp) return false;
    this.#isOut = true;
    return true;
  }

  /** The broker did not confirm it; the error says whether it may be stored. */
  failed(error: ServiceError): void {
    this.#isOut = false;
    this.#maybeStored ||= error.fate === "maybe-executed";
    this.#last = error;
  }

  get maybeStored(): boolean {
    return this.#maybeStored;
  }

  /** What went wrong the last time. */
  get last(): ServiceError | undefined {
    return this.#last;
  }

  /** The caller waits no longer. */
  giveUp(): RequestFate {
    this.#givenUp = true;
    return this.#isOut || this.#maybeStored ? "maybe-executed" : "not-started";
  }
}
