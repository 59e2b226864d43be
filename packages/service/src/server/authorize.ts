// Whether a caller may do what it asks for: the service's own `authorize`, and its no as an error.
import { ServiceError } from "../errors.ts";
import type { Authorize, AuthorizeRequest } from "../service.ts";
import type { Caller } from "./caller.ts";
import { JobContext } from "./job.ts";
import type { Server } from "./server.ts";

/** @throws ServiceError FORBIDDEN; UNAUTHORIZED when the caller has not proven who it is. */
export async function admit(authorize: Authorize, request: AuthorizeRequest): Promise<void> {
  const verdict = await authorize(request);
  // Whatever is no clear yes is a no.
  if (verdict === true) return;
  const what = request.topic === undefined ? `call ${request.method}` : `subscribe to topic ${request.topic}`;
  const why = typeof verdict === "string" ? verdict : `this caller may not ${what}`;
  throw new ServiceError(request.userId === undefined ? "UNAUTHORIZED" : "FORBIDDEN", why);
}

/** What is asked for is no method of the service: it has no body, no deadline, and takes no turn. */
class QuestionContext extends JobContext implements AuthorizeRequest {
  readonly topic: string | undefined;

  constructor(method: string, topic: string | undefined, caller: Pick<Caller, "address" | "userId">, server: Server) {
    const { address: peer, userId } = caller;
    const facts = { method, peer, userId, key: undefined, attempt: 1, callerTrace: "", traceState: "" };
    super(facts, Number.POSITIVE_INFINITY, server);
    this.topic = topic;
  }
}

/** Asks about what runs beside the queue: topics, and what the service says of itself. As many questions wait as requests may. */
export class Door {
  readonly #server: Server;
  #asked = 0;

  constructor(server: Server) {
    this.#server = server;
  }

  /**
   * @param method `$subscribe`, or one of the service's own.
   * @returns undefined when nobody needs to be asked.
   * @throws ServiceError as a rejection; also when `authorize` itself threw: that is a bug, of which the service has ended.
   */
  ask(method: string, caller: Pick<Caller, "address" | "userId">, topic?: string): Promise<void> | undefined {
    const { authorize } = this.#server.service;
    return authorize === undefined
      ? undefined
      : this.#ask(authorize, new QuestionContext(method, topic, caller, this.#server));
  }

  async #ask(authorize: Authorize, request: QuestionContext): Promise<void> {
    if (this.#asked >= this.#server.service.queueMax) throw tooManyAsked(this.#asked);
    this.#asked++;
    try {
      await admit(authorize, request);
    } catch (error) {
      if (ServiceError.is(error)) throw error;
      this.#server.crash(error);
      throw new ServiceError("ABORTED", "the service ended while it decided whether this caller may", unstarted);
    } finally {
      this.#asked--;
      request.finish();
    }
  }
}

/** What the client of a connection is told whose key was taken away. */
export function keyRemoved(): ServiceError {
  return new ServiceError("UNAUTHORIZED", "this client's key is not allowed any more; the connection ends", {
    fate: "not-started",
  });
}

const unstarted = { retryable: true, fate: "not-started" } as const;

function tooManyAsked(asked: number): ServiceError {
  const message = `${asked} others wait for the service to decide whether they may; try again later`;
  return new ServiceError("BUSY", message, { ...unstarted, retryAfterMs: 100 });
}
