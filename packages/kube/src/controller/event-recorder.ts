// Writes Kubernetes Events about objects, for people who ask `kubectl describe` what happened. Best effort on purpose: it
// never throws, never blocks a loop, and drops what is too much. The same event again counts up instead of being a new one
// (client-go: tools/record/events_cache.go).
import type { Clock, Logger, Random } from "@wherry/core";
import { asError, BoundedQueue, WherryError } from "@wherry/core";
import type { KubeClient, Resource } from "../client/types.ts";
import { resources } from "../schema/kinds.ts";
import { StatusError } from "../status.ts";
import type { Event, KubeObject, ObjectReference } from "../types/index.ts";
import { EventLedger, namespaceOfEvent, type Occurrence } from "./event-ledger.ts";
import * as limits from "./limits.ts";

export interface EventRecorderOptions {
  /** Who reports, as `kubectl describe` shows it: `deployment-controller`, `kubelet`. */
  readonly component: string;
  /** The node that it reports from. */
  readonly host?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface EventRecorder {
  /**
   * @param object what it is about; apiVersion and kind must be set, as they are on objects from an informer.
   * @param reason a word in UpperCamelCase: `FailedScheduling`.
   * @param options.fieldPath a part of the object: `spec.containers{app}`.
   */
  event(
    object: KubeObject,
    type: "Normal" | "Warning",
    reason: string,
    message: string,
    options?: { readonly fieldPath?: string },
  ): void;
  /** Resolves when everything recorded so far is sent or dropped. */
  flush(): Promise<void>;
}

export function createEventRecorder(client: KubeClient, options: EventRecorderOptions): EventRecorder {
  return new QueuedRecorder(client, options);
}

class QueuedRecorder implements EventRecorder {
  readonly #client: KubeClient;
  readonly #options: EventRecorderOptions;
  readonly #ledger: EventLedger;
  readonly #queue = new BoundedQueue<Occurrence>(limits.eventsQueuedMax);
  #sending: Promise<void> | undefined;
  #dropped = 0;

  constructor(client: KubeClient, options: EventRecorderOptions) {
    this.#client = client;
    this.#options = options;
    this.#ledger = new EventLedger(options);
  }

  event(
    object: KubeObject,
    type: "Normal" | "Warning",
    reason: string,
    message: string,
    options: { readonly fieldPath?: string } = {},
  ): void {
    const occurrence: Occurrence = {
      about: referenceTo(object, options.fieldPath),
      type,
      reason,
      message: message.slice(0, limits.eventMessageCharactersMax),
      atMs: this.#options.clock.now(),
    };
    if (!this.#ledger.allows(occurrence.about) || !this.#queue.push(occurrence)) {
      this.#dropped++;
      this.#options.log.debug({ reason, dropped: this.#dropped }, "too many events, one was dropped");
      return;
    }
    this.#sending ??= this.#sendAll();
  }

  async flush(): Promise<void> {
    await this.#sending;
  }

  async #sendAll(): Promise<void> {
    // After this turn: whoever reports is in the middle of its work.
    await Promise.resolve();
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) await this.#send(next);
    this.#sending = undefined;
  }

  async #send(occurrence: Occurrence): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#write(occurrence);
        return;
      } catch (error) {
        const again = attempt < limits.eventTriesMax && WherryError.is(error) && error.retryable;
        if (!again) {
          this.#options.log.debug({ err: asError(error), reason: occurrence.reason }, "an event could not be written");
          return;
        }
        await this.#options.clock.sleep(limits.eventRetryMs);
      }
    }
  }

  async #write(occurrence: Occurrence): Promise<void> {
    const known = this.#ledger.find(occurrence);
    if (known === undefined) {
      await this.#create(occurrence);
      return;
    }
    const lastTimestamp = timestamp(occurrence.atMs);
    const body = { count: known.count + 1, lastTimestamp };
    try {
      await this.#client.patch(events, { name: known.name, namespace: known.namespace }, "merge", body);
      this.#ledger.counted(occurrence);
    } catch (error) {
      if (!(error instanceof StatusError) || error.reason !== "NotFound") throw error;
      await this.#create(occurrence);
    }
  }

  async #create(occurrence: Occurrence): Promise<void> {
    const event = this.#newEvent(occurrence);
    await this.#client.create(events, event);
    this.#ledger.created(occurrence, event.metadata.name);
  }

  #newEvent({ about, type, reason, message, atMs }: Occurrence): Event & { metadata: { name: string } } {
    const { component, host, random } = this.#options;
    const at = timestamp(atMs);
    // client-go: the object's name and the nanoseconds of now; ours are made up, so that two in a millisecond differ.
    const nanoseconds = (BigInt(atMs) * 1_000_000n + BigInt(random.below(1_000_000))).toString(16);
    return {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: `${(about.name ?? "").slice(0, 230)}.${nanoseconds}`, namespace: namespaceOfEvent(about) },
      involvedObject: about,
      type,
      reason,
      message,
      source: host === undefined ? { component } : { component, host },
      reportingComponent: component,
      reportingInstance: host ?? "",
      firstTimestamp: at,
      lastTimestamp: at,
      count: 1,
    };
  }
}

const events: Resource<Event> = resources.events;

/** RFC 3339 in whole seconds, as metav1.Time has it. */
function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

function referenceTo({ apiVersion, kind, metadata }: KubeObject, fieldPath: string | undefined): ObjectReference {
  return {
    ...(apiVersion === undefined ? {} : { apiVersion }),
    ...(kind === undefined ? {} : { kind }),
    ...(metadata?.namespace === undefined ? {} : { namespace: metadata.namespace }),
    ...(metadata?.name === undefined ? {} : { name: metadata.name }),
    ...(metadata?.uid === undefined ? {} : { uid: metadata.uid }),
    ...(metadata?.resourceVersion === undefined ? {} : { resourceVersion: metadata.resourceVersion }),
    ...(fieldPath === undefined ? {} : { fieldPath }),
  };
}
