// What a security mechanism does in a handshake (RFC 23 §Mechanisms): commands in, commands out, until both sides know each
// other's metadata. NULL is the only one so far; PLAIN (RFC 24) and CURVE (RFC 26) fit the same shape.
import type { Command, Metadata } from "../wire/command.ts";
import type { Problem } from "../wire/problem.ts";

/** One step: what to send, and whether the handshake is done. */
export interface Step {
  readonly send?: Buffer;
  /** The peer's metadata; from here on messages flow. */
  readonly ready?: Metadata;
}

export interface Mechanism {
  /** As in the greeting: upper case, at most 20 bytes. */
  readonly name: string;
  /** After both greetings: what this side says first, if anything. */
  start(): Step;
  /** A command of the peer, before the handshake is done. */
  receive(command: Command): Step | Problem;
}
