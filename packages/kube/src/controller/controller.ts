// Wires a control loop: changes in caches → keys → queue → reconciler. The usual way to make one.
import type { KubeObject, Stored } from "../types/index.ts";
import type { Resource } from "../client/types.ts";
import { keyOf } from "./key.ts";
import { runController } from "./run-controller.ts";
import type { Key, LoopEnvironment, Outcome, ReconcileContext, WorkQueue } from "./types.ts";
import { createWorkQueue } from "./work-queue.ts";

/** What makes the loop look at which keys. Made by `watching`. */
export interface Source {
  attach(env: LoopEnvironment, queue: WorkQueue): void;
}

export interface SourceOptions<T extends KubeObject> {
  /** Changes for which this is false are ignored. */
  readonly when?: (next: Stored<T> | undefined, previous: Stored<T> | undefined) => boolean;
}

/**
 * Each change of this resource enqueues the keys that `keysOf` gives for the object as it is now, and as it was before, so
 * that what it belonged to hears of it, too.
 * @param keysOf the object's own key when absent.
 * @example watching(resources.pods, (pod) => controllerKeyOf(pod, "ReplicaSet"))
 */
export function watching<T extends KubeObject>(
  resource: Resource<T>,
  keysOf: (object: Stored<T>) => Key | readonly Key[] | undefined = keyOf,
  options: SourceOptions<T> = {},
): Source {
  return {
    attach({ informers }, queue) {
      informers.for(resource).onChange((next, previous) => {
        if (options.when?.(next, previous) === false) return;
        for (const object of [next, previous]) {
          if (object === undefined) continue;
          const keys = keysOf(object);
          if (keys === undefined) continue;
          for (const key of typeof keys === "string" ? [keys] : keys) queue.add(key);
        }
      });
    },
  };
}

export interface ControllerDefinition {
  /** Lower case, as it appears in logs and metrics: `replicaset`. */
  readonly name: string;
  readonly env: LoopEnvironment;
  readonly watches: readonly Source[];
  readonly reconcile: (key: Key, context: ReconcileContext) => Promise<Outcome>;
  /** Keys processed at the same time; 1 when absent. */
  readonly workers?: number;
}

export interface Controller {
  readonly name: string;
  /** For what else makes the loop look: timers, other loops. */
  readonly queue: WorkQueue;
  /** Call it when the informers are synced. Resolves when the signal has aborted and all workers are done. */
  run(signal: AbortSignal): Promise<void>;
}

/** Makes the loop and subscribes it to its informers: before `informers.start`, or it is told of what is there already. */
export function controller({ name, env, watches, reconcile, workers }: ControllerDefinition): Controller {
  const queue = createWorkQueue({ clock: env.clock });
  for (const source of watches) source.attach(env, queue);
  const reconciler = { name, reconcile };
  return {
    name,
    queue,
    run: (signal) => runController({ reconciler, queue, env, ...(workers === undefined ? {} : { workers }) }, signal),
  };
}
