// Finds a service's pods by DNS: the addresses of a headless Service, or its SRV records, which say the port too. DNS tells no
// change, so it is asked again and again, at once when a connection breaks; what can't be resolved changes nothing.
import { asError, type Clock, type Logger, type Random, WherryError } from "@wherry/core";
import { dnsIntervalMinMs, dnsIntervalMs, dnsTimeoutMs } from "../limits.ts";
import { messagingPortDefault } from "../process/config.ts";
import type { Discovery, DiscoveryProblem, Target } from "./discovery.ts";
import type { Resolver } from "./dns-resolver.ts";

export interface DnsOptions {
  /**
   * The name of a headless Service, `shop.default.svc`, whose A and AAAA records are its pods; or that of its SRV records,
   * `_messaging._tcp.shop.default.svc`, which say the port as well. Search domains are tried.
   */
  readonly dns: string;
  /** Of the service, if the name is none of SRV records. Default 5555. */
  readonly port?: number;
  /** Milliseconds between two resolutions, half of it random. Default 10 000. */
  readonly intervalMs?: number;
  /** What resolves names. Default: the machine's own. */
  readonly resolver?: Resolver;
}

/** @throws WherryError SERVICE_OPTION_INVALID */
export function dnsTargets(
  options: DnsOptions,
  parts: { readonly clock: Clock; readonly random: Random; readonly log: Logger },
): Discovery {
  const { dns, port = messagingPortDefault, intervalMs = dnsIntervalMs } = options;
  if (!/^[A-Za-z0-9_]([-A-Za-z0-9_.]{0,252})$/.test(dns))
    throw invalid(`discovery.dns: expected a DNS name, got ${JSON.stringify(dns)}`);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw invalid(`discovery.port: expected a port, got ${JSON.stringify(port)}`);
  if (typeof intervalMs !== "number" || !(intervalMs >= dnsIntervalMinMs))
    throw invalid(`discovery.intervalMs: expected at least ${dnsIntervalMinMs}, got ${JSON.stringify(intervalMs)}`);
  const watch = new DnsWatch({ ...parts, dns, port, intervalMs, resolver: options.resolver });
  return { start: (tell, signal, problem) => void watch.run(tell, signal, problem), refresh: () => watch.refresh() };
}

function invalid(message: string): WherryError {
  return new WherryError(message, { code: "SERVICE_OPTION_INVALID" });
}

interface WatchOptions {
  readonly dns: string;
  readonly port: number;
  readonly intervalMs: number;
  readonly resolver: Resolver | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

class DnsWatch {
  readonly #options: WatchOptions;
  #resolver: Resolver | undefined;
  #pause: AbortController | undefined;
  #hurry = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#resolver = options.resolver;
  }

  /** Resolves soon instead of at the end of the interval. */
  refresh(): void {
    this.#hurry = true;
    this.#pause?.abort();
  }

  async run(
    tell: (targets: readonly Target[]) => void,
    signal: AbortSignal,
    problem: (problem: DiscoveryProblem) => void,
  ): Promise<void> {
    const { dns, intervalMs, log, random } = this.#options;
    while (!signal.aborted) {
      this.#hurry = false;
      try {
        const targets = await this.#resolve(signal);
        if (!isAborted(signal)) tell(targets);
      } catch (error) {
        if (isAborted(signal)) return;
        problem({ error: new Error(`DNS has no ${dns}: ${asError(error).message}`, { cause: error }), lasting: false });
        log.warn({ err: asError(error), dns }, "could not resolve the service; the last known endpoints stay");
      }
      // Half fixed, half random: many clients don't ask in step.
      await this.#sleep(Math.max(dnsIntervalMinMs, (intervalMs * (1 + random.next())) / 2), signal);
    }
  }

  /** The interval; no less than the least pause, however often it is told to hurry. */
  async #sleep(pauseMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const wake = (): void => undefined;
    await clock.sleep(dnsIntervalMinMs, signal).catch(wake);
    if (this.#hurry || isAborted(signal)) return;
    this.#pause = new AbortController();
    await clock.sleep(pauseMs - dnsIntervalMinMs, AbortSignal.any([signal, this.#pause.signal])).catch(wake);
    this.#pause = undefined;
  }

  async #resolve(signal: AbortSignal): Promise<Target[]> {
    const { clock } = this.#options;
    const done = new AbortController();
    const late = clock.sleep(dnsTimeoutMs, AbortSignal.any([signal, done.signal])).then(() => {
      throw new Error(`no answer within ${dnsTimeoutMs} ms`);
    });
    try {
      return await Promise.race([this.#ask(), late]);
    } finally {
      late.catch(() => undefined);
      done.abort();
    }
  }

  async #ask(): Promise<Target[]> {
    const { dns, port } = this.#options;
    this.#resolver ??= (await import("./dns-resolver.ts")).systemResolver();
    const resolver = this.#resolver;
    if (!dns.startsWith("_"))
      return distinct((await resolver.addresses(dns)).map((address) => targetOf(address, port, true)));
    const records = await resolver.services(dns);
    const first = Math.min(...records.map(({ priority }) => priority));
    const found = await Promise.allSettled(
      records.map(async ({ host, port: own, priority }) =>
        (await resolver.addresses(host)).map((address) => targetOf(address, own, priority === first)),
      ),
    );
    // One host that can't be resolved is left out; none at all is a failure.
    const targets = found.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
    const failed = found.find((result) => result.status === "rejected");
    if (targets.length === 0) throw failed?.reason ?? new Error("it has no hosts");
    return distinct(targets);
  }
}

function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

function targetOf(address: string, port: number, ready: boolean): Target {
  const host = address.includes(":") ? `[${address}]` : address;
  return { address: `tcp://${host}:${port}`, pod: undefined, ready, serving: true };
}

function distinct(targets: readonly Target[]): Target[] {
  const byAddress = new Map<string, Target>();
  for (const target of targets)
    if (byAddress.get(target.address)?.ready !== true) byAddress.set(target.address, target);
  return [...byAddress.values()].sort((a, b) => (a.address < b.address ? -1 : 1));
}
