// Which endpoints a Service port forwards to. Pure. (kube-proxy: pkg/proxy/topology.go, without zones)
import type { EndpointSlice } from "@wherry/kube";

export interface Backend {
  readonly host: string;
  readonly port: number;
}

/**
 * The ready endpoints; when there is none, those that still serve while they end. `portName` is the Service port's name ("" for
 * the only one). A missing `ready` counts as true (discovery/v1).
 */
export function backendsOf(slices: Iterable<EndpointSlice>, portName: string): readonly Backend[] {
  const ready = new Map<string, Backend>();
  const serving = new Map<string, Backend>();
  for (const slice of slices) {
    const port = slice.ports?.find(
      (candidate) => (candidate.name ?? "") === portName && (candidate.protocol ?? "TCP") === "TCP",
    )?.port;
    if (port === undefined) continue;
    for (const { addresses, conditions } of slice.endpoints ?? []) {
      const host = addresses[0];
      if (host === undefined) continue;
      const key = `${host}:${port}`;
      if (conditions?.ready ?? true) ready.set(key, { host, port });
      else if (conditions?.serving === true && conditions.terminating === true) serving.set(key, { host, port });
    }
  }
  return [...(ready.size > 0 ? ready : serving).values()];
}

/** Remembers which backend a client got, for `sessionAffinity: ClientIP`. Bounded: the client that was away longest is forgotten. */
export class Affinity {
  readonly #timeoutMs: number;
  readonly #clientsMax: number;
  readonly #clients = new Map<string, { readonly backend: Backend; readonly untilMs: number }>();

  constructor(timeoutMs: number, clientsMax: number) {
    this.#timeoutMs = timeoutMs;
    this.#clientsMax = clientsMax;
  }

  /** The client's backend, if that is still one. */
  find(client: string, backends: readonly Backend[], nowMs: number): Backend | undefined {
    const known = this.#clients.get(client);
    if (known === undefined || known.untilMs <= nowMs) return undefined;
    return backends.find((backend) => backend.host === known.backend.host && backend.port === known.backend.port);
  }

  remember(client: string, backend: Backend, nowMs: number): void {
    this.#clients.delete(client);
    this.#clients.set(client, { backend, untilMs: nowMs + this.#timeoutMs });
    if (this.#clients.size <= this.#clientsMax) return;
    const [oldest] = this.#clients.keys();
    if (oldest !== undefined) this.#clients.delete(oldest);
  }
}
