// The caches of a process: one per resource, however many loops read it.
import type { KubeClient, Resource } from "../client/types.ts";
import type { KubeObject } from "../types/index.ts";
import { createInformer, type InformerEnvironment, type StandaloneInformer } from "./informer.ts";
import type { Informer, Informers } from "./types.ts";

export interface InformersOptions extends InformerEnvironment {
  /** Caches hold only objects of this namespace: for a client that may not see the others. */
  readonly namespace?: string;
}

/** Give it to all loops that share the client's identity; ask for what they need, then `start`. */
export function createInformers(client: KubeClient, options: InformersOptions): Informers {
  return new SharedInformers(client, options);
}

class SharedInformers implements Informers {
  readonly #client: KubeClient;
  readonly #options: InformersOptions;
  readonly #byResource = new Map<string, StandaloneInformer<KubeObject>>();
  /** Resolve when the informer is synced. Several components may share one `Informers`, and each calls `start`. */
  readonly #started = new Map<string, Promise<void>>();
  /** Set by `start`: informers that are asked for later start at once. */
  #signal: AbortSignal | undefined;

  constructor(client: KubeClient, options: InformersOptions) {
    this.#client = client;
    this.#options = options;
  }

  for<T extends KubeObject>(resource: Resource<T>): Informer<T> {
    const id = `${resource.group}/${resource.version}/${resource.plural}`;
    const known = this.#byResource.get(id);
    // One resource has one type of object: whoever asks for it names the same.
    if (known !== undefined) return known as unknown as Informer<T>;
    const { namespace } = this.#options;
    const selection = namespace === undefined || !resource.namespaced ? {} : { namespace };
    const informer = createInformer(this.#client, resource, this.#options, selection);
    this.#byResource.set(id, informer);
    if (this.#signal !== undefined) void this.#startOnce(id, this.#signal);
    return informer;
  }

  async start(signal: AbortSignal): Promise<void> {
    this.#signal ??= signal;
    await Promise.all([...this.#byResource.keys()].map((id) => this.#startOnce(id, signal)));
  }

  #startOnce(id: string, signal: AbortSignal): Promise<void> {
    let started = this.#started.get(id);
    if (started === undefined) {
      started = this.#byResource.get(id)?.start(signal) ?? Promise.resolve();
      this.#started.set(id, started);
    }
    return started;
  }
}
