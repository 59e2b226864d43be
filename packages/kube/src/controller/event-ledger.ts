// What a recorder remembers: which events it has written, so that they count up, and how many it may write about an object.
// Bounded: the oldest is forgotten, which costs nothing worse than one more Event.
import type { Clock } from "@wherry/core";
import type { ObjectReference } from "../types/index.ts";
import * as limits from "./limits.ts";

/** Something happened, once. */
export interface Occurrence {
  readonly about: ObjectReference;
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
  /** Since the epoch. */
  readonly atMs: number;
}

interface Written {
  readonly name: string;
  readonly namespace: string;
  count: number;
  lastMs: number;
}

interface Allowance {
  tokens: number;
  atMs: number;
}

export class EventLedger {
  readonly #clock: Clock;
  /** In order of their last use. */
  readonly #written = new Map<string, Written>();
  readonly #allowances = new Map<string, Allowance>();

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock;
  }

  /** The Event to count up, if this happened before within the window. */
  find(
    occurrence: Occurrence,
  ): { readonly name: string; readonly namespace: string; readonly count: number } | undefined {
    const written = this.#written.get(identity(occurrence));
    if (written === undefined || occurrence.atMs - written.lastMs > limits.eventWindowMs) return undefined;
    return written;
  }

  created(occurrence: Occurrence, name: string): void {
    const namespace = namespaceOfEvent(occurrence.about);
    remember(this.#written, identity(occurrence), { name, namespace, count: 1, lastMs: occurrence.atMs });
  }

  counted(occurrence: Occurrence): void {
    const id = identity(occurrence);
    const written = this.#written.get(id);
    if (written === undefined) return;
    written.count++;
    written.lastMs = occurrence.atMs;
    remember(this.#written, id, written);
  }

  /** A token bucket for each object, so that one that fails a thousand times a second does not fill the store. */
  allows(about: ObjectReference): boolean {
    const id = subject(about);
    const nowMs = this.#clock.monotonic();
    const allowance = this.#allowances.get(id) ?? { tokens: limits.eventBurstMax, atMs: nowMs };
    allowance.tokens = Math.min(
      limits.eventBurstMax,
      allowance.tokens + (nowMs - allowance.atMs) / limits.eventRefillMs,
    );
    allowance.atMs = nowMs;
    remember(this.#allowances, id, allowance);
    if (allowance.tokens < 1) return false;
    allowance.tokens--;
    return true;
  }
}

/** Events about what has no namespace are kept in `default`. */
export function namespaceOfEvent(about: ObjectReference): string {
  return about.namespace ?? "default";
}

/** Makes it the newest, and forgets the oldest when there are too many. */
function remember<Value>(map: Map<string, Value>, id: string, value: Value): void {
  map.delete(id);
  map.set(id, value);
  if (map.size <= limits.eventsRememberedMax) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}

function subject({ apiVersion, kind, namespace, name, uid }: ObjectReference): string {
  return JSON.stringify([apiVersion, kind, namespace, name, uid]);
}

function identity({ about, type, reason, message }: Occurrence): string {
  return JSON.stringify([subject(about), about.fieldPath, type, reason, message]);
}
