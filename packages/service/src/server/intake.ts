// Takes the messages of all peers apart: which speak the request protocol, which are plain ZeroMQ, which are neither.
// Each message moves its session one step through the state machine of docs/reference/protocol.md. Runs nothing itself.
import type { Message, Peer, RouterSocket, Sendable } from "@wherry/zmtp";
import { ServiceError } from "../errors.ts";
import { rawWarningIntervalMs, stuckMs } from "../limits.ts";
import type { RequestMetrics } from "../metrics/request-metrics.ts";
import { messageType } from "../protocol/codes.ts";
import { encodeContent } from "../protocol/content.ts";
import { type Decoded, decode, encode, type Header, isProtocolFrame, uint32Of } from "../protocol/frames.ts";
import type { Credit } from "./credit.ts";
import type { Executor } from "./executor.ts";
import type { Host } from "./host.ts";
import type { RawJob } from "./job.ts";
import { ownMethods } from "./own-methods.ts";
import { type Parties, peerName } from "./party.ts";
import { noTopic, notStreaming } from "./refusals.ts";
import type { Requests } from "./requests.ts";
import { Session } from "./session.ts";
import type { SilentPeers } from "./silent.ts";
import type { Streams } from "./streams.ts";
import type { Topics } from "./topics.ts";

/** Whom messages go to, and what peers are told when they come and go. */
interface IntakeHost extends Host {
  readonly instance: string;
  readonly pod: string | undefined;
  readonly sessions: Map<number, Session>;
  readonly executor: Executor;
  readonly parties: Parties;
  readonly silent: SilentPeers;
  readonly requests: Requests;
  readonly credit: Credit;
  readonly streams: Streams | undefined;
  readonly topics: Topics | undefined;
  readonly wireState: number;
  readonly drainLeftMs: number;
  sendMessage(session: Session, message: Sendable): void;
  drop(session: Session, fault: keyof RequestMetrics["faults"]): void;
}

type PeersOfSocket = Pick<RouterSocket, "peer">;

export class Intake {
  readonly #server: IntakeHost;
  readonly #socket: PeersOfSocket;
  readonly #welcomeBody: ReturnType<typeof encodeContent>;
  /** Plain peers turned away so far, and when that is next worth a record: they reconnect, and would fill the log. */
  #rawRefused = 0;
  #nextRawWarningMs = Number.NEGATIVE_INFINITY;

  constructor(server: IntakeHost, socket: PeersOfSocket) {
    this.#server = server;
    this.#socket = socket;
    const { version, methods, topics } = server.service;
    const all = [...methods.values()];
    const named = (flag: "idempotent" | "keyed"): string[] =>
      all.filter((method) => method[flag]).map((method) => method.name);
    const streams = all.filter(({ stream }) => stream !== undefined).map(({ name, stream }) => [name, stream] as const);
    this.#welcomeBody = encodeContent({
      version,
      pod: server.pod,
      idempotent: [...named("idempotent"), ...ownMethods],
      keyed: named("keyed"),
      ...(streams.length === 0 ? {} : { streams: Object.fromEntries(streams) }),
      ...(topics.size === 0 ? {} : { topics: [...topics.keys()] }),
    });
  }

  take(messages: readonly Message[]): undefined {
    const nowMs = this.#server.clock.monotonic();
    for (const message of messages) this.#takeOne(message, nowMs);
    this.#server.executor.pump();
    this.#server.noteWork();
  }

  /** The peer is gone: its queued requests are not started any more, its running ones are told. */
  forget(peer: Peer): void {
    this.#server.silent.forget(peer);
    const session = this.#server.sessions.get(peer.id);
    if (session === undefined) return;
    this.#server.sessions.delete(peer.id);
    this.#server.parties.leave(session.party, peerName(peer));
    const gone = new ServiceError("CANCELLED", "the caller's connection closed", { fate: "not-started" });
    for (const job of session.open.all()) this.#server.requests.cancel(job, gone);
    this.#server.streams?.forget(session);
    this.#server.topics?.forget(session);
  }

  #takeOne(message: Message, nowMs: number): void {
    const [routingId, first] = message;
    if (routingId === undefined || first === undefined) return;
    const peer = this.#socket.peer(routingId);
    const session = peer === undefined ? undefined : this.#session(peer, nowMs);
    // What a dropped peer had on the wire still arrives; it counts for nothing.
    if (session?.phase === "dropped") return;
    if (!isProtocolFrame(first)) this.#raw(session, message, nowMs);
    else if (session !== undefined) {
      const decoded = decode(message, 1);
      if (decoded === "malformed") this.#server.drop(session, "malformed-message");
      else if (decoded === "version") this.#refuseVersion(session);
      else this.#protocol(session, decoded, nowMs);
    }
  }

  #session(peer: Peer, nowMs: number): Session {
    let session = this.#server.sessions.get(peer.id);
    if (session === undefined) {
      const party = this.#server.parties.join(peerName(peer));
      session = new Session(peer, party, nowMs, (to, reply) => this.#server.sendMessage(to, reply));
      this.#server.sessions.set(peer.id, session);
    }
    session.lastMessageMs = nowMs;
    return session;
  }

  #refuseVersion(session: Session): void {
    const message = "expected version 1 of the request protocol; use a matching client";
    session.fail(0, new ServiceError("VERSION", message, { fate: "not-started" }));
    this.#server.drop(session, "other-version");
  }

  #protocol(session: Session, message: Decoded, nowMs: number): void {
    const { header, body } = message;
    const { type } = header;
    const greeted = session.phase === "wherry";
    if (type === messageType.request && greeted) this.#request(session, header, body, nowMs);
    else if (type === messageType.cancel && greeted) this.#cancel(session, header.id);
    else if (streamTypes.has(type) && greeted) this.#stream(session, message);
    else if (topicTypes.has(type) && greeted) this.#topic(session, header);
    else if (type === messageType.ping) this.#pong(session, header);
    else if (type === messageType.hello) this.#hello(session, header);
    else if (type === messageType.bye) session.phase = "bye";
    else if (type !== messageType.pong) this.#server.drop(session, "protocol-violation");
  }

  #pong(session: Session, { id }: Header): void {
    const texts = [this.#server.service.name, this.#server.instance];
    if (session.phase === "new") this.#server.silent.pinged(session.peer);
    session.send(encode(messageType.pong, { id, mark: this.#server.wireState, texts }));
  }

  #hello(session: Session, header: Header): void {
    const server = this.#server;
    session.phase = "wherry";
    server.silent.forget(session.peer);
    session.name = header.texts[0] ?? "";
    session.codec = header.texts[1];
    const { content, body } = this.#welcomeBody;
    const texts = [server.service.name, server.instance];
    session.send(encode(messageType.welcome, { number: server.credit.current, texts, content }, body));
    if (server.state === "draining" || server.state === "ended")
      session.send(encode(messageType.goaway, { number: uint32Of(server.drainLeftMs) }));
  }

  #request(session: Session, header: Header, body: Uint8Array | undefined, nowMs: number): void {
    const server = this.#server;
    const { id, texts } = header;
    if (session.has(id)) {
      server.drop(session, "protocol-violation");
      return;
    }
    const [method = "", key = "", trace = "", traceState] = texts;
    const { content, mark: attempt, number: withinMs } = header;
    const incoming = { id, method, key, trace, traceState, attempt, content, body, withinMs };
    const job = server.requests.accept(incoming, session, nowMs, session.hasRoom);
    if (job !== undefined) session.open.set(id, job);
  }

  #stream(session: Session, message: Decoded): void {
    const { streams, service } = this.#server;
    const { type, id, texts } = message.header;
    if (streams !== undefined) {
      if (!streams.take(session, message)) this.#server.drop(session, "protocol-violation");
    } else if (type === messageType.open) {
      const [name = ""] = texts;
      session.fail(id, notStreaming(service, name));
    }
  }

  #topic(session: Session, header: Header): void {
    const [name = ""] = header.texts;
    if (this.#server.topics !== undefined) this.#server.topics.take(session, header);
    else if (header.type === messageType.subscribe) session.fail(header.id, noTopic(this.#server.service, name));
  }

  #cancel(session: Session, id: number): void {
    const job = session.open.get(id);
    const reason = "the caller cancelled the call";
    const fate = "maybe-executed";
    session.streams.get(id)?.stop(new ServiceError("CANCELLED", "the caller cancelled the stream", { fate }));
    // Answered already: the reply and the cancel crossed on the wire.
    if (job === undefined) return;
    this.#server.requests.cancel(job, new ServiceError("CANCELLED", reason, { fate: "not-started" }));
  }

  /**
   * A plain socket has no other way to learn that it waits for nothing: it gets an ERROR of the request protocol, whose body
   * people can read, in place of its answer.
   */
  #refuseRaw(session: Session, delimited: boolean, nowMs: number): void {
    const server = this.#server;
    const { name } = server.service;
    const { content, body } = encodeContent({ message: noRawHandler(name), retryable: false, details: {} });
    const error = encode(messageType.error, { content, texts: ["NOT_FOUND"] }, body);
    server.metrics.raw.dropped++;
    session.send(delimited ? [new Uint8Array(), ...error] : error);
    server.drop(session, "no-raw-handler");
    this.#rawRefused++;
    if (nowMs < this.#nextRawWarningMs) return;
    this.#nextRawWarningMs = nowMs + rawWarningIntervalMs;
    const fields = { peer: session.peer.address, refused: this.#rawRefused };
    server.log.warn(fields, `a plain ZeroMQ peer was turned away: ${noRawHandler(name)}`);
  }

  #raw(session: Session | undefined, message: Message, nowMs: number): void {
    const server = this.#server;
    if (session !== undefined) {
      if (session.phase === "wherry" || session.phase === "bye") {
        server.drop(session, "protocol-violation");
        return;
      }
      if (session.phase === "new") server.silent.forget(session.peer);
      session.phase = "raw";
    }
    const delimited = message.length > 2 && message[1]?.length === 0;
    if (server.service.raw === undefined) {
      if (session !== undefined) this.#refuseRaw(session, delimited, nowMs);
      return;
    }
    const frames = message.slice(delimited ? 2 : 1);
    const times = { arrivedMs: nowMs, deadlineMs: nowMs + stuckMs, startedMs: 0, endedMs: 0 };
    const job: RawJob = { kind: "raw", sender: session, frames, delimited, ...times, state: "queued" };
    if (server.state === "ended" || !server.executor.submit(job)) server.metrics.raw.dropped++;
  }
}

const streamTypes: ReadonlySet<number> = new Set([
  ...[messageType.open, messageType.item, messageType.grant, messageType.end],
]);
const topicTypes: ReadonlySet<number> = new Set([messageType.subscribe, messageType.unsubscribe]);

function noRawHandler(service: string): string {
  return `service ${service} has no raw handler, only methods: call it with a client of the request protocol, or give it \`raw\``;
}
