// Deletes events that are an hour old, as upstream's event lease does. It reads them page by page and holds no cache: there
// are many, and nobody waits for them.
import type { Event } from "@wherry/kube";
import { type Controller, controller, type Outcome } from "@wherry/kube/controller";
import { inBatches } from "../batches.ts";
import type { ControllerEnvironment } from "../environment.ts";
import { unlessGone } from "../errors.ts";
import { limits } from "../limits.ts";
import { timeOf } from "../objects.ts";
import { pagesOf } from "../pages.ts";
import { resources } from "../resources.ts";

const sweep = "all";

export function eventExpiryController(env: ControllerEnvironment): Controller {
  const made = controller({ name: "event-expiry", env, watches: [], reconcile: () => sweepEvents(env) });
  // Not at the start, when everyone else is busy.
  made.queue.addAfter(sweep, limits.eventSweepMs);
  return made;
}

async function sweepEvents({ client, clock }: ControllerEnvironment): Promise<Outcome> {
  const oldestMs = clock.now() - limits.eventAgeMaxMs;
  for await (const page of pagesOf(client, resources.events)) {
    const expired = page.filter((event) => lastTouchedMs(event) < oldestMs);
    await inBatches(expired, limits.writesInFlight, async ({ metadata: { name, namespace = "", uid } }) => {
      await unlessGone(client.delete(resources.events, { name, namespace }, { preconditions: { uid } }));
    });
  }
  return { requeueAfterMs: limits.eventSweepMs };
}

/** An event that was counted again lives on. */
export function lastTouchedMs({ metadata, lastTimestamp, eventTime, series }: Event): number {
  const times = [metadata.creationTimestamp, lastTimestamp, eventTime, series?.lastObservedTime];
  return Math.max(...times.map(timeOf));
}
