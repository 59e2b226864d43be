// What the double's answers are made from. For tests only.
import type { Clock } from "@wherry/core";
import type { Group } from "./group.ts";
import type { Topics } from "./log.ts";
import type { WireReader, WireWriter } from "./wire.ts";

/** What a request may ask of the double. */
export interface Broker {
  readonly topics: Topics;
  readonly clock: Clock;
  readonly host: string;
  readonly port: number;
  nextProducerId: bigint;
  group(id: string): Group;
  appended(): void;
  nextAppend(limitMs: number): Promise<void>;
}

/** One version of one request. */
export interface Handler {
  readonly version: number;
  readonly answer: (broker: Broker, reader: WireReader, writer: WireWriter) => void | Promise<void>;
}

/** The one node that the double is. */
export const node = 1;
export const leaderEpoch = 0;
