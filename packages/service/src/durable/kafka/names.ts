// How queues and messages are called in Kafka, and what a `kafka://` URL says. Pure.
import { WherryError } from "@wherry/core";
import { kafkaPartitionsDefault } from "../../limits.ts";
import type { Texts } from "../headers.ts";

export const workTopic = (queue: string): string => `wherry.work.${queue}`;
/** Messages in a retry's pause, which hold up nobody there but each other. */
export const retryTopic = (queue: string): string => `wherry.retry.${queue}`;
export const deadTopic = (queue: string): string => `wherry.dead.${queue}`;
export const groupOf = (queue: string): string => `wherry.${queue}`;

/** Beside those of headers.ts. */
export const kafkaHeader = {
  id: "wherry-id",
  /** Not to be delivered before this time, milliseconds since the epoch. */
  notBefore: "wherry-not-before",
  /** Driven back by hand: its key was seen, and it shall run all the same. */
  again: "wherry-again",
} as const;

export function textsOf(entries: readonly (readonly [Buffer | null, Buffer | null])[]): Texts {
  return Object.fromEntries(entries.map(([name, value]) => [String(name ?? ""), String(value ?? "")]));
}

export interface KafkaTarget {
  readonly bootstrapBrokers: string[];
  readonly partitions: number;
  readonly tls: boolean;
  readonly user?: {
    readonly mechanism: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";
    readonly username: string;
    readonly password: string;
  };
}

/**
 * `kafka://[USER:PASSWORD@]HOST:PORT[,HOST:PORT…][?tls&mechanism=SCRAM-SHA-256&partitions=6]`: several hosts, which no URL parser takes.
 * @throws WherryError BROKER_URL_INVALID
 */
export function parseKafkaUrl(url: string): KafkaTarget {
  const [, username, password = "", hosts = "", query = ""] =
    /^kafka:\/\/(?:([^:@/?]*):([^@/?]*)@)?([A-Za-z0-9.:,_[\]-]+)\/?(?:\?(.*))?$/.exec(url) ?? [];
  const options = new URLSearchParams(query);
  const partitions = Number(options.get("partitions") ?? kafkaPartitionsDefault);
  const mechanism = options.get("mechanism") ?? "PLAIN";
  const known = mechanism === "PLAIN" || mechanism === "SCRAM-SHA-256" || mechanism === "SCRAM-SHA-512";
  if (hosts === "" || !(Number.isInteger(partitions) && partitions > 0) || !known)
    throw new WherryError(
      "broker: expected kafka://[USER:PASSWORD@]HOST:PORT[,HOST:PORT…][?tls&mechanism=PLAIN|SCRAM-SHA-256|SCRAM-SHA-512&partitions=N]",
      { code: "BROKER_URL_INVALID" },
    );
  const user =
    username === undefined
      ? {}
      : {
          user: { mechanism, username: decodeURIComponent(username), password: decodeURIComponent(password) } as const,
        };
  return { bootstrapBrokers: hosts.split(","), partitions, tls: options.has("tls"), ...user };
}
