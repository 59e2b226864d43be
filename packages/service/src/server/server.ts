// A service on a socket: its life from starting to ended. It takes messages apart (intake.ts), runs them (executor.ts),
// answers them, drains and crashes. It never ends the process and never reads the environment: process/run.ts does.
import { asError, type Clock, type Logger, type Timer } from "@wherry/core";
import type { RouterSocket, Sendable } from "@wherry/zmtp";
import { fateByte, ServiceError } from "../errors.ts";
import { crashFlushMs, creditIntervalMs, drainPollMs, flushMs, rawQuietMs } from "../limits.ts";
import { RequestMetrics } from "../metrics/request-metrics.ts";
import { messageType, type ServerState, serverState } from "../protocol/codes.ts";
import { encodeContent } from "../protocol/content.ts";
import { encode } from "../protocol/frames.ts";
import type { RawReply, Service } from "../service.ts";
import { Credit } from "./credit.ts";
import { Executor } from "./executor.ts";
import { type Culprit, type Ending, handBack } from "./hand-back.ts";
import { Intake } from "./intake.ts";
import { invoke, isThenable } from "./invoke.ts";
import type { Job, RawJob, RequestJob } from "./job.ts";
import type { Session } from "./session.ts";

/** What a server needs of a ROUTER socket. */
export type ServerSocket = Pick<
  RouterSocket,
  "send" | "peer" | "peers" | "onMessages" | "on" | "counters" | "bind" | "stopAccepting" | "close"
>;

export interface ServerOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Tells this process from the one that had its address before: the pod's UID. */
  readonly instance: string;
  /** The pod's UID, when the process knows it; clients compare it with what the cluster says. */
  readonly pod?: string | undefined;
  /** Called at once, in the same turn, when a bug ends the service; the server flushes after it. */
  readonly onCrash?: (ending: Ending) => void;
}

export class Server {
  readonly service: Service;
  readonly instance: string;
  readonly pod: string | undefined;
  readonly metrics: RequestMetrics = new RequestMetrics();
  readonly executor: Executor;
  readonly credit: Credit;
  readonly sessions: Map<number, Session> = new Map();
  readonly clock: Clock;
  readonly log: Logger;
  /** Resolves when everything is flushed and closed. Never rejects. */
  readonly ended: Promise<Ending>;
  #state: ServerState | "ended" = "starting";
  #resolveEnded: (ending: Ending) => void = () => undefined;
  #creditTimer: Timer | undefined;
  #drainEndMs = 0;
  readonly #socket: ServerSocket;
  readonly #onCrash: ServerOptions["onCrash"];

  constructor(socket: ServerSocket, service: Service, options: ServerOptions) {
    this.#socket = socket;
    this.service = service;
    this.instance = options.instance;
    this.pod = options.pod;
    this.clock = options.clock;
    this.log = options.log;
    this.#onCrash = options.onCrash;
    this.credit = new Credit(service.concurrency);
    const { concurrency, queueMax } = service;
    this.executor = new Executor({ concurrency, queueMax, clock: this.clock, run: (job) => this.#run(job) });
    this.ended = new Promise((resolve) => (this.#resolveEnded = resolve));
    const intake = new Intake(this, socket);
    socket.onMessages((messages) => intake.take(messages));
    socket.on("disconnect", (peer) => intake.forget(peer));
  }

  get state(): ServerState | "ended" {
    return this.#state;
  }

  /** What PING and HELLO are told. */
  get wireState(): number {
    return this.#state === "ended" ? serverState.draining : serverState[this.#state];
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

  send(session: Session, frames: readonly Uint8Array[]): void {
    const message: Sendable = [session.peer.routingId, ...frames];
    if (this.#socket.send(message) === "full") this.drop(session, "slow-reader");
  }

  /** Ends one peer's connection for its own fault; everyone else is served on. */
  drop(session: Session, fault: keyof RequestMetrics["faults"]): void {
    if (session.phase === "dropped") return;
    session.phase = "dropped";
    this.metrics.faults[fault]++;
    this.log.debug({ peer: session.peer.address, name: session.name, fault }, "peer dropped");
    session.peer.close(fault);
  }

  /** Answers a request with an error, once. */
  refuse(job: RequestJob, error: ServiceError): void {
    if (job.state === "answered") return;
    this.#close(job, error.code);
    this.sendError(job.session, job.id, error);
  }

  sendError(session: Session, id: number, error: ServiceError): void {
    const { code, message, retryable, details } = error;
    const number = Math.min(0xffffffff, Math.ceil(error.retryAfterMs ?? 0));
    const { content, body } = encodeContent({ message, retryable, details });
    this.send(
      session,
      encode(messageType.error, { id, number, content, mark: fateByte(error.fate), texts: [code] }, body),
    );
  }

  #run(job: Job): Promise<void> | undefined {
    return job.kind === "raw" ? this.#runRaw(job) : this.#runRequest(job);
  }

  #runRequest(job: RequestJob): Promise<void> | undefined {
    if (job.startedMs >= job.deadlineMs) {
      const message = "the deadline passed while the request was queued; it was not started";
      this.refuse(job, new ServiceError("DEADLINE_EXCEEDED", message, { fate: "not-started" }));
      return undefined;
    }
    try {
      const result = invoke(job);
      if (isThenable(result))
        return result.then(
          (content) => this.#reply(job, content),
          (error: unknown) => this.#fail(job, error),
        );
      this.#reply(job, result);
    } catch (error) {
      this.#fail(job, error);
    }
    return undefined;
  }

  #reply(job: RequestJob, { content, body }: ReturnType<typeof encodeContent>): void {
    if (job.state === "answered") return;
    this.#close(job, "OK");
    this.send(job.session, encode(messageType.reply, { id: job.id, content }, body));
  }

  #fail(job: RequestJob, thrown: unknown): void {
    if (ServiceError.is(thrown)) {
      // Whatever a nested call's error said of its own request, this request was answered.
      const { code, message, retryable, details, retryAfterMs } = thrown;
      const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
      this.refuse(job, new ServiceError(code, message, { retryable, details, fate: "answered", ...wait }));
    } else this.#crashIn(job, thrown);
  }

  #close(job: RequestJob, code: string): void {
    job.state = "answered";
    job.context.finish();
    job.session.open.delete(job.id);
    this.metrics.observe(job.method.name, code, this.clock.monotonic() - job.arrivedMs);
  }

  #runRaw(job: RawJob): Promise<void> | undefined {
    const { raw } = this.service;
    if (raw === undefined) return undefined;
    const peer = job.session?.peer.address ?? "gone";
    const answer = (reply: RawReply): void => {
      job.state = "answered";
      const frames = reply === undefined ? undefined : typeof reply === "string" ? [reply] : reply;
      this.metrics.raw[frames === undefined || job.session === undefined ? "unanswered" : "answered"]++;
      if (frames === undefined || job.session === undefined) return;
      const envelope = job.delimited ? [job.session.peer.routingId, ""] : [job.session.peer.routingId];
      const rest = frames instanceof Uint8Array ? [frames] : frames;
      if (this.#socket.send([...envelope, ...rest]) === "full") this.drop(job.session, "slow-reader");
    };
    const fail = (error: unknown): void => this.#crashIn(job, error);
    try {
      const reply = raw(job.frames, { peer, log: this.log });
      if (isThenable(reply)) return reply.then(answer, fail);
      answer(reply);
    } catch (error) {
      fail(error);
    }
    return undefined;
  }

  /** Messages came in: credit is looked at again after a while. An idle service sets no timer. */
  noteWork(): void {
    this.#creditTimer ??= this.clock.timer(creditIntervalMs, () => this.#adjustCredit(), { background: true });
  }

  #adjustCredit(): void {
    this.#creditTimer = undefined;
    const { finished, busyMs } = this.executor.takeMeasure();
    const credit = this.credit.measure(finished, busyMs);
    if (credit !== undefined) this.#tellAll(encode(messageType.credit, { number: credit }));
    if (!this.#idle) this.noteWork();
  }

  #tellAll(frames: readonly Uint8Array[]): void {
    for (const session of this.sessions.values()) if (session.phase === "wherry") this.send(session, frames);
  }

  /**
   * Stops being ready and tells every peer; stays bound and serves what still comes, until every peer said BYE or left,
   * nothing is queued or running, and `minimumMs` passed; at `timeoutMs` what is left is handed back.
   */
  async drain(options: { readonly timeoutMs: number; readonly minimumMs: number }): Promise<Ending> {
    if (this.#state === "starting" || this.#state === "ready") {
      this.#state = "draining";
      const startMs = this.clock.monotonic();
      this.#drainEndMs = startMs + options.timeoutMs;
      this.#tellAll(encode(messageType.goaway, { number: options.timeoutMs }));
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
    for (const { phase, lastMessageMs } of this.sessions.values()) {
      if (phase === "wherry") return true;
      if (phase === "raw" && nowMs - lastMessageMs < rawQuietMs) return true;
    }
    return false;
  }

  get #idle(): boolean {
    return this.executor.queued === 0 && this.executor.running.size === 0;
  }

  /** Ends for a bug: hands back what is queued, aborts what runs, tells `onCrash`, flushes. Only the first time. */
  crash(thrown: unknown): void {
    this.#end("crashed", crashFlushMs, { error: asError(thrown) });
  }

  #crashIn(job: Job, thrown: unknown): void {
    const method = job.kind === "raw" ? "raw" : job.method.name;
    this.#end("crashed", crashFlushMs, { error: asError(thrown), method }, { job, thrown });
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
    const ending: Ending = { reason, ...handBack(this, culprit), ...bug };
    if (reason === "crashed") this.#onCrash?.(ending);
    void this.#socket.close({ lingerMs }).then(
      () => this.#resolveEnded(ending),
      () => this.#resolveEnded(ending),
    );
  }
}
