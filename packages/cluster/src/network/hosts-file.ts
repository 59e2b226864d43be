// The file by which programs in pods resolve Service names (the Node preload reads it): one `<address> <service>.<namespace>.svc.cluster.local`
// a line. Written as a whole, atomically, and only when it has changed.
import { rename, writeFile } from "node:fs/promises";
import { asError, type Clock, type Logger, type Timer } from "@wherry/core";
import type { EndpointSlice, Service, Stored } from "@wherry/kube";

/** Changes within this time are written together. */
const gatherMs = 10;

/** ClusterIP Services by their address, headless ones by their ready endpoints; ExternalName is left to real DNS. Sorted. */
export function hostsText(
  services: readonly Stored<Service>[],
  slicesOf: (service: Stored<Service>) => Iterable<EndpointSlice>,
): string {
  const lines: string[] = [];
  for (const service of services) {
    const name = `${service.metadata.name}.${service.metadata.namespace ?? "default"}.svc.cluster.local`;
    const { clusterIP, type, publishNotReadyAddresses } = service.spec ?? {};
    if (type === "ExternalName") continue;
    if (clusterIP !== undefined && clusterIP !== "" && clusterIP !== "None") lines.push(`${clusterIP} ${name}`);
    else if (clusterIP === "None") {
      const ready = [...slicesOf(service)]
        .flatMap((slice) => slice.endpoints ?? [])
        .filter((endpoint) => publishNotReadyAddresses === true || (endpoint.conditions?.ready ?? true));
      for (const address of new Set(ready.flatMap((endpoint) => endpoint.addresses.slice(0, 1))))
        lines.push(`${address} ${name}`);
    }
  }
  return lines.length === 0 ? "" : `${lines.sort().join("\n")}\n`;
}

export class HostsFile {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #text: () => string;
  #written: string | undefined;
  #timer: Timer | undefined;
  #writing: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: {
    readonly path: string;
    readonly clock: Clock;
    readonly log: Logger;
    readonly text: () => string;
  }) {
    this.#path = options.path;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#text = options.text;
  }

  /** Something it shows may have changed. */
  touch(): void {
    if (this.#closed) return;
    this.#timer ??= this.#clock.timer(
      gatherMs,
      () => {
        this.#timer = undefined;
        void this.flush();
      },
      { background: true },
    );
  }

  async flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write());
    await this.#writing;
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  async #write(): Promise<void> {
    const text = this.#text();
    if (text === this.#written || this.#closed) return;
    try {
      await writeFile(`${this.#path}.new`, text, { mode: 0o600 });
      await rename(`${this.#path}.new`, this.#path);
      this.#written = text;
    } catch (error) {
      this.#log.warn(
        { err: asError(error), path: this.#path },
        "the names of Services could not be written for the pods",
      );
    }
  }
}
