// Where a service's pods are: the contract between the client and what finds them, and the simplest finder, a fixed list.
import { asError, WherryError } from "@wherry/core";

/** One pod of a service, as it was last seen. */
export interface Target {
  /** `tcp://127.64.0.5:5555` */
  readonly address: string;
  /** The pod's UID, where known: an address that another pod took over is noticed. */
  readonly pod: string | undefined;
  /** The pod's name, where known. */
  readonly name?: string | undefined;
  /** New calls may go there. */
  readonly ready: boolean;
  /** It still answers: chosen only when nothing is ready. */
  readonly serving: boolean;
}

/** Why the endpoints can't be found out. */
export interface DiscoveryProblem {
  readonly error: Error;
  /** Waiting won't help: a setting is missing or wrong. Else it may pass within a call's deadline. */
  readonly lasting: boolean;
}

export interface Discovery {
  /**
   * Tells the whole list, at once if known, and again on each change, until the signal aborts. A source that is lost for a
   * while tells nothing: it never empties the list.
   * @param problem told why nothing is known, when trying on by itself won't change that soon or the source can't be asked;
   *   a later `tell` means that it is over.
   */
  start(
    tell: (targets: readonly Target[]) => void,
    signal: AbortSignal,
    problem: (problem: DiscoveryProblem) => void,
  ): void;
  /** A connection was lost: the list may be old. Only for sources that tell no change by themselves. */
  refresh?(): void;
}

/** @throws WherryError SERVICE_ENDPOINT_INVALID */
export function fixedTargets(endpoints: readonly string[]): Discovery {
  const targets = endpoints.map((endpoint) => {
    const address = endpoint.includes("://") ? endpoint : `tcp://${endpoint}`;
    if (!/^(tcp:\/\/.+:\d{1,5}|ipc:\/\/.+)$/.test(address))
      throw new WherryError(`endpoint: expected tcp://HOST:PORT or ipc://PATH, got ${JSON.stringify(endpoint)}`, {
        code: "SERVICE_ENDPOINT_INVALID",
      });
    return { address, pod: undefined, ready: true, serving: true };
  });
  // Right for a client that only gives durable calls to their broker; for any other call it is the list that is wrong.
  if (targets.length === 0)
    return { start: (_tell, _signal, problem) => problem({ error: noEndpoints(), lasting: true }) };
  return { start: (tell) => tell(targets) };
}

function noEndpoints(): WherryError {
  const message = "endpoints: expected at least one, got an empty list";
  return new WherryError(message, { code: "SERVICE_ENDPOINT_INVALID" });
}

/** The same endpoints, told when `ready` is. What fails before that is a lasting problem. */
export function startingAfter(ready: Promise<unknown> | undefined, discovery: Discovery): Discovery {
  if (ready === undefined) return discovery;
  return {
    start: (tell, signal, problem) => {
      void ready.then(
        () => {
          if (!signal.aborted) discovery.start(tell, signal, problem);
        },
        (error: unknown) => problem({ error: asError(error), lasting: true }),
      );
    },
  };
}
