// GET …?watch=true: the current state where it is asked for, then changes, bookmarks, and a clean end. The rules of
// https://kubernetes.io/docs/reference/using-api/api-concepts/#watch and KEP-3157 (streaming lists).
import type { Clock, Random, Timer } from "@wherry/core";
import {
  type FieldError,
  invalid,
  type KindInfo,
  type Status,
  StatusError,
  statusOf,
  tooManyRequests,
} from "@wherry/kube";
import type { Backend, Entry, Revision } from "../store/types.ts";
import { limits } from "./limits.ts";
import { flag, integer, listOptionsKind, matcher } from "./query.ts";
import { entryEvent } from "./registry/change.ts";
import type { Feed, FeedItem, Selection, Subscription } from "./registry/feed.ts";
import { list, parseRevision, readRefusal } from "./registry/list.ts";
import type { ObjectCache } from "./registry/objects.ts";
import type { ApiWatchEvent } from "./types.ts";

export interface WatchEnvironment {
  readonly backend: Backend;
  readonly cache: ObjectCache;
  readonly clock: Clock;
  readonly random: Random;
}

export interface WatchRequest {
  readonly kind: KindInfo;
  readonly prefix: string;
  /** One object alone. */
  readonly name?: string;
  readonly query: URLSearchParams;
  readonly signal: AbortSignal;
}

interface WatchPlan {
  readonly entries: readonly Entry[];
  readonly after: Revision;
  /** Mark the end of the initial events. */
  readonly marksEnd: boolean;
}

/** All watches of the API server. */
export class Watches {
  readonly #env: WatchEnvironment;
  #open = 0;
  #bookmarks: Timer | undefined;

  constructor(env: WatchEnvironment) {
    this.#env = env;
  }

  /** Watches open now. */
  get open(): number {
    return this.#open;
  }

  /** @throws StatusError 400, 422, 429, 504. What is too old comes as an ERROR event, as kube-apiserver's does. */
  start(feed: Feed, request: WatchRequest): AsyncIterable<readonly ApiWatchEvent[]> {
    if (this.#open >= limits.watchesMax)
      throw tooManyRequests(`too many watches: the limit is ${limits.watchesMax}; close some`, 1);
    const { kind, prefix, query, name } = request;
    const matches = matcher(kind, query, name);
    const selection: Selection = { prefix, ...(matches !== undefined && { matches }) };
    const timeoutMs = this.#timeoutMs(query);
    const plan = this.#plan(selection, query);
    const subscription = feed.subscribe(plan.after, selection);
    if ("outcome" in subscription) {
      const refusal = readRefusal(subscription, plan.after);
      if (subscription.outcome === "future") throw refusal;
      return once(errorEvent(statusOf(refusal)));
    }
    // At once, not when the first event is asked for: a caller may be gone before that.
    request.signal.addEventListener("abort", () => subscription.close(), { once: true });
    if (request.signal.aborted) subscription.close();
    return this.#stream(subscription, plan, request, timeoutMs);
  }

  #timeoutMs(query: URLSearchParams): number {
    const seconds = integer(query, "timeoutSeconds");
    if (seconds !== undefined && seconds > 0) return Math.min(seconds * 1000, limits.watchTimeoutMaxMs);
    return limits.watchTimeoutMinMs * (1 + this.#env.random.next());
  }

  #plan(selection: Selection, query: URLSearchParams): WatchPlan {
    const version = parseRevision(query.get("resourceVersion"));
    checkInitialEvents(query);
    const wants = query.get("sendInitialEvents");
    const initial = wants === null ? version === undefined || version === 0 : flag(query, "sendInitialEvents");
    const { backend, cache } = this.#env;
    if (!initial) return { entries: [], after: version ?? backend.revision, marksEnd: false };
    if (version !== undefined && version > backend.revision)
      throw readRefusal({ outcome: "future", currentRevision: backend.revision }, version);
    const { entries, revision } = list(backend, cache, selection.prefix, {
      ...(selection.matches !== undefined && { matches: selection.matches }),
    });
    return { entries, after: revision, marksEnd: wants !== null };
  }

  async *#stream(
    subscription: Subscription,
    plan: WatchPlan,
    request: WatchRequest,
    timeoutMs: number,
  ): AsyncGenerator<readonly ApiWatchEvent[]> {
    const ending = { timedOut: false };
    const timeout = this.#env.clock.timer(
      timeoutMs,
      () => {
        ending.timedOut = true;
        subscription.finish();
      },
      { background: true },
    );
    this.#opened();
    try {
      const bookmarks = flag(request.query, "allowWatchBookmarks")
        ? new Bookmarks(request.kind, plan.after)
        : undefined;
      yield* initialEvents(plan, this.#env.cache);
      if (plan.marksEnd && bookmarks !== undefined) yield [bookmarks.endOfInitialEvents()];
      for (;;) {
        const items = await subscription.next();
        if (items === undefined) break;
        const events = items.flatMap((item) => eventsOf(item, bookmarks));
        if (events.length > 0) yield events;
      }
      if (subscription.gone) yield [errorEvent(tooOld(plan.after))];
      else if (ending.timedOut && subscription.complete && bookmarks !== undefined)
        yield bookmarks.at(subscription.revision);
    } finally {
      timeout.cancel();
      subscription.close();
      this.#closed();
    }
  }

  #opened(): void {
    this.#open++;
    if (this.#bookmarks === undefined) this.#scheduleBookmarks();
  }

  #closed(): void {
    this.#open--;
    if (this.#open > 0) return;
    this.#bookmarks?.cancel();
    this.#bookmarks = undefined;
  }

  #scheduleBookmarks(): void {
    const fire = (): void => {
      this.#env.backend.requestProgress();
      this.#scheduleBookmarks();
    };
    this.#bookmarks = this.#env.clock.timer(limits.bookmarkEveryMs, fire, { background: true });
  }
}

function eventsOf(item: FeedItem, bookmarks: Bookmarks | undefined): readonly ApiWatchEvent[] {
  if (item.type !== "progress") return [item];
  return bookmarks?.at(item.revision) ?? [];
}

function* initialEvents(plan: WatchPlan, cache: ObjectCache): Generator<readonly ApiWatchEvent[]> {
  for (let start = 0; start < plan.entries.length; start += limits.watchBatchEventsMax)
    yield plan.entries
      .slice(start, start + limits.watchBatchEventsMax)
      .map((entry) => entryEvent("ADDED", entry, cache));
}

/** Bookmarks of one watch: an object with nothing but the version up to which everything was told. */
class Bookmarks {
  readonly #kind: KindInfo;
  #sent: Revision;

  constructor(kind: KindInfo, after: Revision) {
    this.#kind = kind;
    this.#sent = after;
  }

  at(revision: Revision): readonly ApiWatchEvent[] {
    if (revision <= this.#sent) return [];
    this.#sent = revision;
    return [this.#make({})];
  }

  endOfInitialEvents(): ApiWatchEvent {
    return this.#make({ annotations: { "k8s.io/initial-events-end": "true" } });
  }

  #make(metadata: object): ApiWatchEvent {
    const { group, version, kind } = this.#kind;
    return encoded("BOOKMARK", {
      kind,
      apiVersion: group === "" ? version : `${group}/${version}`,
      metadata: { resourceVersion: String(this.#sent), creationTimestamp: null, ...metadata },
    });
  }
}

function errorEvent(status: Status): ApiWatchEvent {
  return encoded("ERROR", status);
}

export function encoded(type: ApiWatchEvent["type"], object: unknown): ApiWatchEvent {
  return { type, json: `{"type":"${type}","object":${JSON.stringify(object)}}`, object };
}

const tooOld = (after: Revision): Status =>
  statusOf(readRefusal({ outcome: "compacted", compactRevision: after }, after));

async function* once(event: ApiWatchEvent): AsyncGenerator<readonly ApiWatchEvent[]> {
  yield [event];
}

/** k8s.io/apimachinery pkg/apis/meta/internalversion/validation. @throws StatusError 422. */
function checkInitialEvents(query: URLSearchParams): void {
  const match = query.get("resourceVersionMatch") ?? "";
  const forbidden = (message: string): StatusError => {
    const error: FieldError = {
      field: "resourceVersionMatch",
      reason: "FieldValueForbidden",
      message: `Forbidden: ${message}`,
    };
    return invalid(listOptionsKind, "", [error]);
  };
  if (query.has("sendInitialEvents")) {
    if (match === "") throw forbidden("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    if (match === "NotOlderThan") return;
    throw invalid(listOptionsKind, "", [
      {
        field: "resourceVersionMatch",
        reason: "FieldValueNotSupported",
        message: `Unsupported value: ${JSON.stringify(match)}: supported values: "NotOlderThan"`,
      },
    ]);
  }
  if (match !== "") throw forbidden("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
}
