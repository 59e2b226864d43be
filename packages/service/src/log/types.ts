// What the log is to whom: the logger that a service's author gets, and what a sink needs of an aggregator. Types only.
import type { Logger } from "@wherry/core";

export type LogFields = Readonly<Record<string, unknown>>;

/** One level of a logger. In both orders the message is a template: `{name}` is the field of that name, `{{` a brace. */
export interface LogMethod {
  /** @example log.info("{bytes} bytes from {peer}", { bytes, peer }) */
  (message: string, fields?: LogFields | Error): void;
  /** As pino's. @example log.error(error, "could not tell {peer}") */
  (fields: LogFields | Error, message?: string): void;
}

/** The logger of handlers, and of the code around them. It is a `Logger`, for whatever takes one. */
export interface Log extends Logger {
  /** Finer than `debug`. */
  readonly trace: LogMethod;
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
  /** For what the program cannot go on after; it writes the record, to stdout in any case, and ends nothing. */
  readonly fatal: LogMethod;
  /** A logger that adds `fields` to every record. */
  child(fields: LogFields): Log;
}

/** What became of a batch. Records that are in neither list are stored. */
export interface Delivery {
  /** Positions of the records that the aggregator will never take, and why. */
  readonly rejected: readonly number[];
  /** Positions of those that it may take later. */
  readonly again: readonly number[];
  readonly reason?: string;
}

/** A place that keeps logs, behind its own wire protocol. */
export interface Aggregator {
  /** For messages and metrics: the kind and the host, never a password. */
  readonly name: string;
  /**
   * Sends a batch: JSON records as the log writes them, without their newlines. Called once at a time.
   * @throws Error when it isn't known that any of them was taken. Settles soon after `signal` aborts.
   */
  send(lines: readonly string[], signal: AbortSignal): Promise<Delivery>;
  /** Ends what it has open. */
  close(): void;
}

export const delivered: Delivery = { rejected: [], again: [] };
