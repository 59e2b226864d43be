// A service on a socket: its life from starting to ended. Messages are taken apart by intake.ts, requests accepted and answered by
// requests.ts, run by executor.ts; this file starts, drains, crashes and ends. It never ends the process and never reads the environment: process/run.ts does.
import { asError, type Clock, type Logger, type Random, SystemRandom, type Timer, WherryError } from "@wherry/core";
import type { Peer, PeerCloseOptions, RouterSocket, Sendable } from "@wherry/zmtp";
import { leaveContext } from "../current-context.ts";
import { crashFlushMs, creditIntervalMs, drainPollMs, flushMs, outgoingBytesMax, rawQuietMs } from "../limits.ts";
import { templated } from "../log/logger.ts";
import type { Log } from "../log/types.ts";
import { RequestMetrics } from "../metrics/request-metrics.ts";
import { messageType, serverState } from "../protocol/codes.ts";
import { encode, uint32Of } from "../protocol/frames.ts";
import type { QueuesDescription } from "../durable/queues.ts";
import type { Broker } from "../durable/types.ts";
import type { DurableReceipt } from "../method.ts";
import type { Service } from "../service.ts";
import type { PublishOptions, Published } from "../topic.ts";
import { TraceIds } from "../tracing/trace-context.ts";
import { Authorizer } from "./authorize.ts";
import { slowestOf } from "./backlog.ts";
import { BodyBudget } from "./body-budget.ts";
import type { Caller, Incoming, Source } from "./caller.ts";
import { Credit } from "./credit.ts";
import { Executor } from "./executor.ts";
import { type Ending, handBack } from "./hand-back.ts";
import { Health, type HealthState } from "./health.ts";
import type { Host, Life } from "./host.ts";
import { Intake } from "./intake.ts";
import type { Job, RequestJob } from "./job.ts";
import { type Culprit, keyRemoved } from "./refusals.ts";
import { Parties } from "./party.ts";
import { Requests } from "./requests.ts";
import { runRaw } from "./run-raw.ts";
import type { Session } from "./session.ts";
import { SilentPeers } from "./silent.ts";
import type { ServerStream } from "./stream.ts";
import type { Streams } from "./streams.ts";
import type { Topics } from "./topics.ts";

/** What a server needs of a ROUTER socket. */
export type ServerSocket = Pick<
  RouterSocket,
  "send" | "peer" | "peers" | "onMessages" | "on" | "counters" | "bind" | "stopAccepting" | "close"
>;

export interface ServerOptions {
  readonly clock: Clock;
  /** Of trace ids. Default: the machine's. */
  readonly random?: Random;
  readonly log: Logger;
  /** Tells this process from the one that had its address before: the pod's UID. */
  readonly instance: string;
  /** The pod's UID, when the process knows it; clients compare it with what the cluster says. */
  readonly pod?: string | undefined;
  /** Connections that its socket takes. Default: as many as there may be. */
  readonly peersMax?: number;
  /** Called at once, in the same turn, when a bug ends the service; the server flushes after it. */
  readonly onCrash?: (ending: Ending) => void;
}

export class Server implements Host {
  readonly service: Service;
  readonly instance: string;
  readonly pod: string | undefined;
  readonly metrics: RequestMetrics = new RequestMetrics();
  /** What of its callers' bodies it holds. */
  readonly bodies: BodyBudget = new BodyBudget();
  /** Who shares it. */
  readonly parties: Parties = new Parties();
  readonly executor: Executor;
  readonly requests: Requests;
  readonly credit: Credit;
  readonly health: Health;
  readonly sessions: Map<number, Session> = new Map();
  /** Who has connected, and not said who it is. */
  readonly silent: SilentPeers;
  readonly clock: Clock;
  readonly log: Logger;
  readonly traceIds: TraceIds;
  /** Publishes a durable method's request to its broker; set by durable/source.ts. Rejects with a `ServiceError`. */
  store: ((job: RequestJob) => Promise<DurableReceipt>) | undefined;
  /** The kind of that broker, once it is open; and what is in the durable methods' queues. Set likewise. */
  broker: Broker["kind"] | undefined;
  queues: (() => Promise<QueuesDescription>) | undefined;
  readonly authorizer: Authorizer;
  /** When it was made, by `Clock.monotonic`. */
  readonly startedMs: number;
  /** The same, as handlers get it. */
  readonly userLog: Log;
  /** Resolves when everything is flushed and closed. Never rejects. */
  readonly ended: Promise<Ending>;
  #state: Life = "starting";
  #resolveEnded: (ending: Ending) => void = () => undefined;
  #creditTimer: Timer | undefined;
  #creditDueMs = 0;
  #drainStartMs: number | undefined;
  #drainEndMs = 0;
  /** Its streams, if its service has any: serve.ts loads what runs them. */
  streams: Streams | undefined;
  /** Its topics, likewise. */
  topics: Topics | undefined;
  /** Its HTTP port, if it has one, and the topics that are shown there. */
  httpPort: number | undefined;
  httpTopics: readonly string[] = [];
  readonly #sources = new Set<Source>();
  readonly #socket: ServerSocket;
  readonly #onCrash: ServerOptions["onCrash"];

  constructor(socket: ServerSocket, service: Service, options: ServerOptions) {
    this.#socket = socket;
    this.service = service;
    this.instance = options.instance;
    this.pod = options.pod;
    this.clock = options.clock;
    this.startedMs = this.clock.monotonic();
    this.traceIds = new TraceIds(options.random ?? new SystemRandom());
    this.requests = new Requests(this);
    this.authorizer = new Authorizer(this);
    this.log = options.log;
    this.userLog = templated(options.log);
    this.#onCrash = options.onCrash;
    this.credit = new Credit(service.concurrency);
    const { concurrency, queueMax } = service;
    const run = (job: Job): Promise<void> | undefined =>
      job.kind === "raw" ? runRaw(this, job) : this.requests.run(job);
    const afterwards = (): void => leaveContext();
    this.executor = new Executor({ concurrency, queueMax, bodies: this.bodies, clock: this.clock, run, afterwards });
    this.health = new Health(this.executor, queueMax);
    this.ended = new Promise((resolve) => (this.#resolveEnded = resolve));
    const { peersMax } = options;
    const mayBePlain = service.raw !== undefined;
    const end = (peer: Peer): void => this.#cut(peer, "silent-peer");
    this.silent = new SilentPeers({ clock: this.clock, socket, peersMax, mayBePlain, end });
    const intake = new Intake(this, socket);
    socket.onMessages((messages) => intake.take(messages));
    socket.on("connect", (peer) => this.silent.listen(peer));
    socket.on("disconnect", (peer) => intake.forget(peer));
  }

  get state(): Life {
    return this.#state;
  }

  /** What PING and HELLO are told. */
  get wireState(): number {
    return serverState[this.healthState];
  }

  get healthState(): HealthState {
    return this.health.stateOf(this.#state);
  }

  /** Milliseconds since the drain began; 0 before. */
  get drainMs(): number {
    return this.#drainStartMs === undefined ? 0 : this.clock.monotonic() - this.#drainStartMs;
  }

  get counters(): ServerSocket["counters"] {
    return this.#socket.counters;
  }

  /** Milliseconds until the drain's deadline. */
  get drainLeftMs(): number {
    return Math.max(0, Math.ceil(this.#drainEndMs - this.clock.monotonic()));
  }

  /** Listens. @returns the endpoint with the port that was taken. @throws WherryError ZMTP_ADDRESS_IN_USE and others */
  async listen(endpoint: string): Promise<string> {
    const bound = await this.#socket.bind(endpoint);
    if (this.#state === "starting") this.#state = "ready";
    return bound;
  }

  /** To one peer, routing id first. One that lets its answers pile up is dropped. */
  sendMessage(session: Session, message: Sendable): void {
    if (this.#socket.send(message) === "full") this.drop(session, "slow-reader");
  }

  /** Ends one peer's connection for its own fault; everyone else is served on. */
  drop(session: Session, fault: keyof RequestMetrics["faults"], options?: PeerCloseOptions): void {
    if (session.phase === "dropped") return;
    session.phase = "dropped";
    this.metrics.faults[fault]++;
    this.log.debug({ peer: session.peer.address, name: session.name, fault }, "peer dropped");
    session.peer.close(fault, options);
  }

  /** Ends a connection whose client's key was taken away; the client is told so, if it speaks the request protocol. */
  revoke(peer: Peer): void {
    this.sessions.get(peer.id)?.fail(0, keyRemoved());
    this.#cut(peer, "key-removed");
  }

  /** Drops a peer that may not have said anything yet. */
  #cut(peer: Peer, fault: keyof RequestMetrics["faults"]): void {
    const session = this.sessions.get(peer.id);
    if (session !== undefined) {
      this.drop(session, fault);
      return;
    }
    this.metrics.faults[fault]++;
    peer.close(fault);
  }

  /** Takes a request from a caller of any kind, and starts it when its turn comes. @returns undefined when it is answered already. */
  take(incoming: Incoming, caller: Caller): RequestJob | undefined {
    const job = this.requests.accept(incoming, caller, this.clock.monotonic());
    this.executor.pump();
    this.noteWork();
    return job;
  }

  /** Joins something that brings requests to this server's life: it is told to leave, waited for, and closed with it. */
  attach(source: Source): void {
    this.#sources.add(source);
  }

  /** See `RequestContext.publish`. */
  publish(topic: string, event: unknown, options?: PublishOptions): Published {
    if (this.topics !== undefined) return this.topics.publish(topic, event, options);
    const message = `service ${this.service.name} has no topic ${JSON.stringify(topic)}: it declares none`;
    throw new WherryError(message, { code: "SERVICE_EVENT_INVALID" });
  }

  /** Messages came in: credit is looked at again after a while. An idle service sets no timer. */
  noteWork(): void {
    if (this.#creditTimer !== undefined) return;
    this.#creditDueMs = this.clock.monotonic() + creditIntervalMs;
    this.#creditTimer = this.clock.timer(creditIntervalMs, () => this.#adjustCredit(), { background: true });
  }

  #adjustCredit(): void {
    this.#creditTimer = undefined;
    this.health.noteLag(this.clock.monotonic() - this.#creditDueMs);
    const { finished, busyMs } = this.executor.takeMeasure();
    const credit = this.credit.measure(finished, busyMs);
    // What waits for them is not waited for.
    for (const slow of slowestOf(this.sessions, outgoingBytesMax)) this.drop(slow, "slow-reader", { lingerMs: 0 });
    if (credit !== undefined) this.#tellAll(encode(messageType.credit, { number: credit }));
    if (!this.#idle || this.health.lagMs > 1) this.noteWork();
  }

  #tellAll(frames: readonly Uint8Array[]): void {
    for (const session of this.sessions.values()) if (session.phase === "wherry") session.send(frames);
  }

  /**
   * Stops being ready and tells every peer; stays bound and serves what still comes, until every peer said BYE or left,
   * nothing is queued or running, and `minimumMs` passed; at `timeoutMs` what is left is handed back.
   */
  async drain(options: { readonly timeoutMs: number; readonly minimumMs: number }): Promise<Ending> {
    if (this.#state === "starting" || this.#state === "ready") {
      this.#state = "draining";
      const startMs = (this.#drainStartMs = this.clock.monotonic());
      // What is no number is no time either.
      this.#drainEndMs = startMs + (options.timeoutMs > 0 ? options.timeoutMs : 0);
      this.#tellAll(encode(messageType.goaway, { number: uint32Of(options.timeoutMs) }));
      this.streams?.leave();
      for (const source of this.#sources) source.leave();
      while (this.#drainIsOpen(startMs + options.minimumMs)) await this.clock.sleep(drainPollMs);
      // A crash may have come in between.
      if (this.state === "draining") this.#end(this.#idle ? "drained" : "deadline", flushMs);
    }
    return this.ended;
  }

  #drainIsOpen(minimumEndMs: number): boolean {
    const nowMs = this.clock.monotonic();
    if (this.state !== "draining" || nowMs >= this.#drainEndMs) return false;
    if (nowMs < minimumEndMs || !this.#idle) return true;
    for (const source of this.#sources) if (!source.quiet) return true;
    for (const { phase, lastMessageMs } of this.sessions.values()) {
      if (phase === "wherry") return true;
      if (phase === "raw" && nowMs - lastMessageMs < rawQuietMs) return true;
    }
    return false;
  }

  get #idle(): boolean {
    const { queued, running } = this.executor;
    return queued === 0 && running === 0 && (this.streams?.running.size ?? 0) === 0;
  }

  /** Ends for a bug: hands back what is queued, aborts what runs, tells `onCrash`, flushes. Only the first time. */
  crash(thrown: unknown): void {
    this.#end("crashed", crashFlushMs, { error: asError(thrown) });
  }

  /** Ends for a bug in the handler that ran `job`. */
  crashIn(job: Job, thrown: unknown): void {
    const method = job.kind === "raw" ? "raw" : job.method.name;
    this.#end("crashed", crashFlushMs, { error: asError(thrown), method }, { job, thrown });
  }

  /** Ends for a bug in the handler of a stream. */
  crashInStream(stream: ServerStream, thrown: unknown): void {
    const bug = { error: asError(thrown), method: stream.method.name };
    this.#end("crashed", crashFlushMs, bug, { job: stream, thrown });
  }

  /** Ends now; what is unanswered is handed back. */
  close(): Promise<Ending> {
    this.#end("closed", flushMs);
    return this.ended;
  }

  #end(
    reason: Ending["reason"],
    lingerMs: number,
    bug: Pick<Ending, "error" | "method"> = {},
    culprit?: Culprit,
  ): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#creditTimer?.cancel();
    this.silent.stop();
    this.topics?.close();
    const ending: Ending = { reason, ...handBack(this, culprit), ...bug };
    if (reason === "crashed") this.#onCrash?.(ending);
    const closing = [this.#socket.close({ lingerMs }), ...[...this.#sources].map((source) => source.close(lingerMs))];
    void Promise.allSettled(closing).then(() => this.#resolveEnded(ending));
  }
}
