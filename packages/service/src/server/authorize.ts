// Whether a caller may do what it asks for: the service's own `authorize`, and its no as an error.
import { ServiceError } from "../errors.ts";
import type { Authorize, AuthorizeRequest } from "../handler.ts";
import type { Caller } from "./caller.ts";
import { JobContext } from "./context.ts";
import type { Host } from "./host.ts";
import { hasShare } from "./party.ts";

/** @throws ServiceError FORBIDDEN; UNAUTHORIZED when the caller has not proven who it is. */
export async function admit(authorize: Authorize, request: AuthorizeRequest): Promise<void> {
  const verdict = await authorize(request);
  // Whatever is no clear yes is a no.
  if (verdict === true) return;
  const what = request.topic === undefined ? `call ${request.method}` : `subscribe to topic ${request.topic}`;
  const why = typeof verdict === "string" ? verdict : `this caller may not ${what}`;
  throw new ServiceError(request.userId === undefined ? "UNAUTHORIZED" : "FORBIDDEN", why);
}

type Asker = Pick<Caller, "address" | "userId" | "party">;

/** What is asked for is no method of the service: it has no body, no deadline, and takes no turn. */
class QuestionContext extends JobContext implements AuthorizeRequest {
  readonly topic: string | undefined;

  constructor(method: string, topic: string | undefined, caller: Pick<Caller, "address" | "userId">, host: Host) {
    super({ method, key: "", attempt: 1, trace: "" }, caller, Number.POSITIVE_INFINITY, host);
    this.topic = topic;
  }
}

/**
 * Asks about what runs beside the queue: topics, and what the service says of itself. As many questions wait as requests may, and of one
 * client as many as of its requests.
 */
export class Authorizer {
  readonly #host: Host;
  #asked = 0;

  constructor(host: Host) {
    this.#host = host;
  }

  /**
   * @param method `$subscribe`, or one of the service's own.
   * @returns undefined when nobody needs to be asked.
   * @throws ServiceError as a rejection; also when `authorize` itself threw: that is a bug, of which the service has ended.
   */
  ask(method: string, caller: Asker, topic?: string): Promise<void> | undefined {
    const { authorize } = this.#host.service;
    return authorize === undefined
      ? undefined
      : this.#ask(authorize, new QuestionContext(method, topic, caller, this.#host), caller);
  }

  async #ask(authorize: Authorize, request: QuestionContext, { party }: Asker): Promise<void> {
    const { queueMax } = this.#host.service;
    const mayAsk = party === undefined || hasShare(party.asked, this.#asked, queueMax);
    if (this.#asked >= queueMax || !mayAsk) throw tooManyAsked(this.#asked);
    this.#asked++;
    if (party !== undefined) party.asked++;
    try {
      await admit(authorize, request);
    } catch (error) {
      if (ServiceError.is(error)) throw error;
      this.#host.crash(error);
      throw new ServiceError("ABORTED", "the service ended while it decided whether this caller may", unstarted);
    } finally {
      this.#asked--;
      if (party !== undefined) party.asked--;
      request.finish();
    }
  }
}

const unstarted = { retryable: true, fate: "not-started" } as const;

function tooManyAsked(asked: number): ServiceError {
  const message = `${asked} wait for the service to decide whether they may; try again later`;
  return new ServiceError("BUSY", message, { ...unstarted, retryAfterMs: 100 });
}
