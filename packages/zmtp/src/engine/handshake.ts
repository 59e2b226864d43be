// From the first byte to the peer's metadata: greeting, mechanism, socket types. Bytes and commands in, what to send and a
// verdict out; it touches no socket and no clock.
import type { FrameSeal, Mechanism, Step } from "../mechanism/mechanism.ts";
import { type Command, encodeError, isProblem, type Metadata, property } from "../wire/command.ts";
import { checkGreeting, encodeGreeting, greetingBytes, parseGreeting } from "../wire/greeting.ts";
import { limits } from "../limits.ts";
import { sameRole } from "../mechanism/common.ts";
import { type Problem, quoted } from "../wire/problem.ts";

/** RFC 28 to 31: which socket types may talk to which. */
const partners: Readonly<Record<string, readonly string[]>> = {
  REQ: ["REP", "ROUTER"],
  REP: ["REQ", "DEALER"],
  DEALER: ["REP", "DEALER", "ROUTER"],
  ROUTER: ["REQ", "DEALER", "ROUTER"],
  PUB: ["SUB", "XSUB"],
  XPUB: ["SUB", "XSUB"],
  SUB: ["PUB", "XPUB"],
  XSUB: ["PUB", "XPUB"],
  PUSH: ["PULL"],
  PULL: ["PUSH"],
  PAIR: ["PAIR"],
};

export function mayTalk(ours: string, theirs: string): boolean {
  return partners[ours]?.includes(theirs) === true;
}

/** Who the peer turned out to be. */
export interface Introduction {
  readonly metadata: Metadata;
  /** Announced, or empty. */
  readonly routingId: Buffer;
  /** The minor version of ZMTP 3 that it speaks. */
  readonly minor: number;
  /** Proven (PLAIN, CURVE). */
  readonly userId: string | undefined;
  /** CURVE: seals and opens all frames from here on. */
  readonly seal: FrameSeal | undefined;
}

export class Handshake {
  readonly #socketType: string;
  readonly #mechanism: Mechanism;
  readonly #send: (bytes: Buffer) => void;
  #greeting: Buffer | undefined = Buffer.alloc(0);
  #minor = 0;
  introduction: Introduction | undefined;

  /** @param send takes encoded bytes in order. */
  constructor(socketType: string, mechanism: Mechanism, send: (bytes: Buffer) => void) {
    this.#socketType = socketType;
    this.#mechanism = mechanism;
    this.#send = send;
  }

  /** Says the greeting. The whole of it at once: older peers that need to be waited for are refused anyway. */
  open(): void {
    this.#send(encodeGreeting(this.#mechanism.name, this.#mechanism.asServer));
  }

  /** Why the peer may have gone in the middle of it. */
  get hint(): string | undefined {
    if (this.#greeting === undefined) return this.#mechanism.hint;
    // libzmq leaves when it reads of another mechanism, before it has named its own.
    return `in the greeting: it may not use mechanism ${this.#mechanism.name}`;
  }

  /** A step that is awaited is not taken any more. */
  stop(): void {
    this.#mechanism.stop?.();
  }

  /** Takes the greeting's bytes off the stream's front. @returns what follows it; undefined until it is whole. */
  greet(chunk: Buffer): Buffer | Problem | undefined {
    if (this.#greeting === undefined) return chunk;
    const need = greetingBytes - this.#greeting.length;
    const greeting = Buffer.concat([this.#greeting, chunk.subarray(0, need)]);
    this.#greeting = greeting;
    const problem = checkGreeting(greeting);
    if (problem !== undefined) return problem;
    if (greeting.length < greetingBytes) return undefined;
    this.#greeting = undefined;
    const { minor, mechanism, asServer } = parseGreeting(greeting);
    if (mechanism !== this.#mechanism.name)
      return {
        reason: "mechanism-mismatch",
        detail: `the peer wants mechanism ${quoted(mechanism)}, this side ${this.#mechanism.name}`,
      };
    if (asServer && this.#mechanism.asServer) return sameRole(mechanism, "server");
    this.#minor = minor;
    return this.advance(this.#mechanism.start()) ?? chunk.subarray(need);
  }

  /** A command before the handshake is done. When it is, `introduction` is set. */
  receive(command: Command): Problem | undefined {
    return this.advance(this.#mechanism.receive(command));
  }

  /** Takes a step of the mechanism: one that it answered with, or one that it had to wait for. */
  advance(step: Step | Problem): Problem | undefined {
    if (isProblem(step)) return step;
    const { ready: properties, userId, seal } = step;
    if (properties === undefined) {
      if (step.send !== undefined) this.#send(step.send);
      return step.refuse;
    }
    const socketType = property(properties, "Socket-Type")?.toString("latin1") ?? "";
    if (!mayTalk(this.#socketType, socketType)) {
      const detail = `a ${quoted(socketType)} peer cannot talk to ${this.#socketType}`;
      this.#send(encodeError(detail));
      return { reason: "socket-type-mismatch", detail };
    }
    const routingId = property(properties, "Identity") ?? Buffer.alloc(0);
    if (routingId.length > limits.routingIdBytesMax || routingId[0] === 0)
      return {
        reason: "protocol-error",
        detail: "an Identity of more than 255 bytes, or that begins with a zero (RFC 28)",
      };
    // Copied: metadata and id outlive the chunk that they came in.
    const metadata = new Map([...properties].map(([name, value]) => [name, Buffer.from(value)]));
    if (step.send !== undefined) this.#send(step.send);
    this.introduction = { metadata, routingId: Buffer.from(routingId), minor: this.#minor, userId, seal };
    return undefined;
  }
}
