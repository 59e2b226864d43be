// Opens the broker that a URL names. Each adapter, and the client library under it, is loaded when it is first asked for.
import { SystemClock, SystemRandom, silentLogger } from "@wherry/core";
import { dedupeWindowMs } from "../limits.ts";
import type { Broker, BrokerOptions } from "./types.ts";
import { brokerUrlOf, parseBrokerUrl } from "./url.ts";

export interface OpenBrokerOptions extends Partial<BrokerOptions> {
  /** Default: `BROKER_URL`, else a file of the cluster on this machine. */
  readonly url?: string | undefined;
}

/**
 * A connection to a broker. A server that cannot be reached now is tried again at each use; only a file must be there.
 * @throws WherryError BROKER_URL_INVALID, BROKER_LIBRARY_MISSING, and for a file BROKER_REFUSED, BROKER_UNAVAILABLE
 * @example
 * const broker = await openBroker({ url: "nats://127.0.0.1:4222" });
 * console.log(await broker.deadLetters(queueOf("orders", "order"), 100));
 * await broker.close();
 */
export async function openBroker(options: OpenBrokerOptions = {}): Promise<Broker> {
  const target = parseBrokerUrl(options.url ?? brokerUrlOf(process.env));
  const common: BrokerOptions = {
    clock: options.clock ?? new SystemClock(),
    random: options.random ?? new SystemRandom(),
    log: options.log ?? silentLogger,
    dedupeWindowMs: options.dedupeWindowMs ?? dedupeWindowMs,
  };
  switch (target.kind) {
    case "sqlite":
      return (await import("./sqlite/broker.ts")).openSqliteBroker({ ...common, path: target.path });
    case "nats":
      return (await import("./nats/broker.ts")).openNatsBroker(target.url, common);
    case "rabbitmq":
      return (await import("./rabbitmq/broker.ts")).openRabbitBroker(target.url, common);
    case "kafka":
      return (await import("./kafka/broker.ts")).openKafkaBroker(target.url, common);
  }
}

/**
 * The queue of a service's method: `NAMESPACE.SERVICE.METHOD`, as several namespaces, and clusters, may share a broker.
 * @example await broker.deadLetters(queueOf("orders", "order", "shop"), 100);
 */
export function queueOf(service: string, method: string, namespace = "default"): string {
  return `${namespace}.${service}.${method}`;
}
