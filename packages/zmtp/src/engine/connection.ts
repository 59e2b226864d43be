// One TCP or ipc connection, from its start to its end: handshake, commands, closing; messages go through its reader and its writer. Whatever the
// peer does ends at most this connection, with a reason; nothing is thrown for its sake.
import type { Socket as NetSocket } from "node:net";
import type { Timer } from "@wherry/core";
import { defaults } from "../limits.ts";
import { peerGoneError } from "../errors.ts";
import type { Step } from "../mechanism/mechanism.ts";
import { encodeCommand, isProblem, parseCommand, parseError, parsePing } from "../wire/command.ts";
import type { Problem } from "../wire/problem.ts";
import { subscriptionFrame } from "../wire/subscription.ts";
import { BaseLink } from "./base-link.ts";
import { Handshake } from "./handshake.ts";
import { Heartbeat } from "./heartbeat.ts";
import { Idle } from "./idle.ts";
import type { ConnectionOwner } from "./owner.ts";
import { Reader, type ReaderOwner } from "./reader.ts";
import { Writer } from "./writer.ts";

type State = "handshake" | "ready" | "closing" | "gone";

export class Connection extends BaseLink implements ReaderOwner {
  /** Only to be written to while `ready`. */
  readonly writer: Writer;
  readonly #owner: ConnectionOwner;
  readonly #socket: NetSocket;
  readonly #reader: Reader;
  readonly #handshake: Handshake;
  readonly #heartbeat: Heartbeat;
  readonly #idle: Idle | undefined;
  #deadline: Timer | undefined;
  #state: State = "handshake";
  #wasOpen = false;
  #wasReady = false;
  #finSent = false;
  #end: Problem = { reason: "connection-error", detail: "the connection was lost" };

  constructor(id: number, socket: NetSocket, address: string, owner: ConnectionOwner) {
    super(id, address);
    this.#owner = owner;
    this.#socket = socket;
    const { settings, clock } = owner;
    const queue = { messagesMax: settings.peerQueueMessagesMax, bytesMax: settings.peerQueueBytesMax };
    this.writer = new Writer(socket, owner.flusher, queue, owner.tally, () => this.#onProgress());
    const mechanism = owner.makeMechanism({ address, later: (step) => this.#onLater(step) });
    this.#handshake = new Handshake(owner.type, mechanism, (bytes) => this.writer.raw(bytes));
    this.#heartbeat = new Heartbeat(this, clock, settings.heartbeatMs);
    if (settings.idleTimeoutMs > 0) this.#idle = new Idle(this, clock, settings.idleTimeoutMs);
    this.#deadline = clock.timer(settings.handshakeTimeoutMs, () => {
      const detail = `no READY within ${settings.handshakeTimeoutMs} ms`;
      this.drop({ reason: "handshake-timeout", detail });
    });
    this.#reader = new Reader(socket, clock, settings, this);
    socket.on("end", () => this.#onRemoteEnd());
    socket.on("error", (error) => this.#onError(error));
    socket.on("close", () => this.#onClose());
  }

  /** The transport is connected: the greeting goes out. */
  open(): void {
    this.#wasOpen = true;
    this.#handshake.open();
  }

  get ready(): boolean {
    return this.#state === "ready";
  }

  get messagesIn(): number {
    return this.#reader.messagesIn;
  }

  get bytesIn(): number {
    return this.#reader.bytesIn;
  }

  get lastActivityMs(): number {
    return this.#reader.lastActivityMs;
  }

  subscription(on: boolean, topic: Uint8Array): void {
    if (this.#state !== "ready") return;
    // ZMTP 3.1 has commands for it; 3.0 a message that begins with 1 or 0 (RFC 29, RFC 23).
    if ((this.#handshake.introduction?.minor ?? 0) > 0)
      this.sendCommand(encodeCommand(on ? "SUBSCRIBE" : "CANCEL", topic));
    else this.writer.single(subscriptionFrame(on, topic));
  }

  pause(): void {
    if (this.paused || this.#state === "gone") return;
    this.paused = true;
    // Newcomers may still say who they are: a slow reader must not make their handshake's time run out.
    if (this.#wasReady) this.#reader.pause();
  }

  unpause(): void {
    if (!this.paused || this.#state === "gone") return;
    this.paused = false;
    this.#reader.unpause();
  }

  sendCommand(frame: Buffer): void {
    if (this.#state === "handshake" || this.#state === "ready") this.writer.command(frame);
  }

  heartbeatMissed(silentMs: number): void {
    this.drop({ reason: "heartbeat-timeout", detail: `nothing came for ${Math.round(silentMs)} ms` });
  }

  /** Ends the connection now; what is queued to it is undelivered. */
  drop(end: Problem): void {
    if (this.#state === "gone") return;
    if (this.#state !== "closing") this.#end = end;
    this.#leave();
    this.#letGo();
    this.#socket.destroy();
  }

  /** What came in of a message that will never be complete. */
  #letGo(): void {
    this.#reader.stop();
    this.#owner.partials.forget(this);
  }

  /**
   * Ends it in order: flush, FIN, wait until the peer has closed its side, all within `lingerMs`. Closing at once would
   * make the kernel answer unread input with a reset, which can destroy what the peer has not read yet.
   */
  leave(end: Problem, lingerMs: number): void {
    if (this.#state === "gone") return;
    if (lingerMs <= 0 || this.#state === "handshake") {
      this.drop(end);
      return;
    }
    if (this.#state === "closing") return;
    this.#closeOrderly(end, lingerMs);
  }

  #closeOrderly(end: Problem, lingerMs: number): void {
    this.#end = end;
    this.#leave();
    this.#deadline = this.#owner.clock.timer(lingerMs, () => this.#socket.destroy());
    this.writer.flush();
    this.#finish();
  }

  /** Once per connection: nothing can be sent from here on. */
  #leave(): void {
    const before = this.#state;
    if (before === "closing" || before === "gone") return;
    this.#state = "closing";
    this.#deadline?.cancel();
    this.#handshake.stop();
    this.#heartbeat.stop();
    this.#idle?.stop();
    this.waiting.reject(peerGoneError(this.address));
    if (before === "ready") this.#owner.onLeaving(this, this.#end.reason, this.#end.detail);
  }

  /** When closing: says FIN after the last output. When both sides have said it, Node closes the socket. */
  #finish(): void {
    if (this.#state !== "closing" || this.#finSent || !this.writer.empty) return;
    this.#finSent = true;
    this.#socket.end();
  }

  greet(chunk: Buffer): Buffer | undefined {
    if (this.#state !== "handshake") return undefined;
    const rest = this.#handshake.greet(chunk);
    if (rest === undefined || Buffer.isBuffer(rest)) return rest;
    this.#refuse(rest);
    return undefined;
  }

  onHeld(bytes: number): void {
    this.#owner.partials.hold(this, bytes);
  }

  /** While closing too: what the peer sent before it noticed is not thrown away. */
  onDecoded(problem: Problem | undefined): void {
    if (!this.#wasReady && this.#reader.decoder.messagesAllowed) this.#becomeReady();
    this.#owner.busyPoll?.came();
    const messages = this.#reader.takeMessages();
    if (problem !== undefined) this.#refuse(problem);
    // Last, because the application's handler runs in here and may do anything.
    if (messages.length > 0) this.#owner.onMessages(this, messages);
  }

  /** After a problem: an ERROR that was sent in the handshake is given the chance to arrive. */
  #refuse(problem: Problem): void {
    if (problem.reason === "socket-type-mismatch" || problem.reason === "authentication-failed")
      this.#closeOrderly(problem, defaults.lingerMs);
    else this.drop(problem);
  }

  /** A step of the handshake that had to be awaited. */
  #onLater(step: Step | Problem): void {
    if (this.#state !== "handshake") return;
    const problem = this.#handshake.advance(step) ?? this.#introduce();
    if (problem !== undefined) this.#refuse(problem);
    else if (this.#handshake.introduction !== undefined) this.#becomeReady();
  }

  #becomeReady(): void {
    this.#wasReady = true;
    this.#reader.greeted();
    if (this.paused) this.#reader.pause();
    this.#deadline?.cancel();
    this.#deadline = undefined;
    this.#state = "ready";
    // A ZMTP 3.0 peer need not know PING: its silence would prove nothing.
    if ((this.#handshake.introduction?.minor ?? 0) > 0) this.#heartbeat.start();
    this.#idle?.start();
    this.#owner.onReady(this);
  }

  onCommand(body: Buffer): Problem | undefined {
    const command = parseCommand(body);
    if (isProblem(command)) return command;
    if (this.#handshake.introduction === undefined) {
      const problem = this.#handshake.receive(command);
      return problem ?? this.#introduce();
    }
    if (command.name === "PING") return this.#onPing(command.data);
    if (command.name === "SUBSCRIBE" || command.name === "CANCEL") {
      // In stream order with the messages, and in the form that ZMTP 3.0 gives it. What takes no subscriptions discards it.
      if (this.#owner.takesSubscriptions)
        this.#reader.decoder.assembly.insert([subscriptionFrame(command.name === "SUBSCRIBE", command.data)]);
      return undefined;
    }
    if (command.name === "ERROR")
      return { reason: "refused-by-peer", detail: `the peer said ERROR: ${parseError(command.data)}` };
    // PONG counts as activity, which is all it is for; RFC 23: commands that are not understood are discarded.
    return undefined;
  }

  #introduce(): Problem | undefined {
    const { introduction } = this.#handshake;
    if (introduction === undefined) return undefined;
    const problem = this.#owner.judge(introduction, this);
    if (problem !== undefined) return problem;
    this.metadata = new Map([...introduction.metadata].map(([name, value]) => [name, value.toString()]));
    this.userId = introduction.userId;
    const { decoder } = this.#reader;
    decoder.seal = introduction.seal;
    this.writer.sealWith(introduction.seal);
    const { routingId } = introduction;
    this.routingId = routingId.length > 0 ? routingId : this.#owner.generateRoutingId(this);
    if (this.#owner.prefixesMessages) decoder.assembly.prefix = this.routingId;
    decoder.messagesAllowed = true;
    return undefined;
  }

  #onPing(data: Buffer): Problem | undefined {
    const ping = parsePing(data);
    if (isProblem(ping)) return ping;
    this.#heartbeat.peerTtl(ping.ttlMs);
    // A peer that pings and never reads must not make the queue grow.
    if (this.writer.room()) this.sendCommand(encodeCommand("PONG", ping.context));
    return undefined;
  }

  /** The peer closed its side: what is queued to it is still offered, since it may read on. */
  #onRemoteEnd(): void {
    const hint = this.#state === "handshake" ? this.#handshake.hint : undefined;
    const detail = `the peer closed the connection${hint === undefined ? "" : ` ${hint}`}`;
    const end: Problem = { reason: "closed-by-peer", detail };
    if (this.#state === "ready") this.#closeOrderly(end, defaults.lingerMs);
    else if (this.#state === "handshake") this.drop(end);
  }

  #onError(error: Error): void {
    if (this.#state === "closing") return;
    this.drop({ reason: "connection-error", detail: error.message });
  }

  #onProgress(): void {
    if (this.#state === "ready") {
      this.waiting.resolve();
      this.#owner.onRoom(this);
    } else {
      this.#finish();
    }
  }

  #onClose(): void {
    if (this.#state === "gone") return;
    this.#leave();
    this.#deadline?.cancel();
    this.#state = "gone";
    this.#letGo();
    this.#reader.close();
    this.writer.stop();
    const undelivered = this.writer.queuedMessages;
    this.#owner.onGone(this, { ...this.#end, undelivered, wasOpen: this.#wasOpen, wasReady: this.#wasReady });
  }
}
