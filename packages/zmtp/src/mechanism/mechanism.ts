// What a security mechanism does in a handshake (RFC 23 §Mechanisms): commands in, commands out, until both sides know each
// other's metadata. NULL, PLAIN (RFC 24) and CURVE (RFC 26) are such machines. They touch no socket.
import type { Clock } from "@wherry/core";
import type { Command, Metadata } from "../wire/command.ts";
import type { Problem } from "../wire/problem.ts";

/** Encrypts what follows the handshake, frame by frame. One for each connection. */
export interface FrameSeal {
  /** How much longer a sealed body is. */
  readonly overheadBytes: number;
  /** Writes the sealed `body` to `target` at `at`, where there is room for it and the overhead. */
  seal(flags: number, body: Uint8Array, target: Buffer, at: number): void;
  /** Opens a sealed body in place: what is returned lies within it. */
  open(sealed: Buffer): Buffer | Problem;
  /** The flags (as in `wire/frame.ts`) of the frame that was opened last. */
  readonly openedFlags: number;
}

/** One step: what to send, and whether the handshake is done. */
export interface Step {
  readonly send?: Buffer;
  /** The peer's metadata; from here on messages flow. */
  readonly ready?: Metadata;
  /** With `ready`: who the peer is, proven. */
  readonly userId?: string | undefined;
  /** With `ready`: all frames from here on are sealed. */
  readonly seal?: FrameSeal;
  /** The peer is refused; `send` holds the ERROR that tells it so. */
  readonly refuse?: Problem;
}

export interface Mechanism {
  /** As in the greeting: upper case, at most 20 bytes. */
  readonly name: string;
  /** As in the greeting. NULL knows no roles. */
  readonly asServer: boolean;
  /** For the drop's detail, when the peer goes in the middle: what it may have disliked. */
  readonly hint?: string | undefined;
  /** After both greetings: what this side says first, if anything. */
  start(): Step;
  /** A command of the peer, before the handshake is done. */
  receive(command: Command): Step | Problem;
  /** The connection ends: a step that is awaited will not be taken. */
  stop?(): void;
}

/** What a mechanism knows of its connection. */
export interface MechanismContext {
  /** The peer's end of the connection, as an endpoint. */
  readonly address: string;
  /** What this side announces. */
  readonly metadata: Metadata;
  readonly clock: Clock;
  /** Takes a step that had to be awaited. Not called within `start` or `receive`. */
  later(step: Step | Problem): void;
}

/**
 * Who may talk to a socket, and how that is proven: the `security` option. Made by `plainServer`, `plainClient`,
 * `curveServer` and `curveClient`; without it the mechanism is NULL, which proves nothing.
 */
export interface Security {
  readonly mechanism: "PLAIN" | "CURVE";
  readonly role: "client" | "server";
  /** For the engine: the machine of one connection. */
  mechanismFor(context: MechanismContext): Mechanism;
}
