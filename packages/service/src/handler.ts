// What a service's functions are, and what each is told: handlers, those of plain ZeroMQ messages, middleware, and who decides who may.
// Types only.
import type { Log } from "./log/types.ts";
import type { ErrorContracts, ErrorMaker } from "./method-errors.ts";
import type { PublishOptions, Published } from "./topic.ts";

/** What a handler is told beside the body. */
export interface RequestContext<Errors extends ErrorContracts = ErrorContracts> {
  readonly method: string;
  /** Aborts when the caller cancels or the deadline passes. */
  readonly signal: AbortSignal;
  /** Milliseconds that the caller still waits; never below 0. */
  readonly remainingMs: number;
  /** The caller's idempotency key: the same for every attempt of one logical call. */
  readonly key: string | undefined;
  /** 1 for the first attempt of this call. */
  readonly attempt: number;
  /** Who the caller has proven to be, with `curve`: its public key, 40 characters of Z85. Undefined: it has proven nothing. */
  readonly userId: string | undefined;
  /** W3C `traceparent` of this request itself: calls that carry it are its children. There always is one. */
  readonly trace: string;
  /** W3C `tracestate` of the caller; empty for none. */
  readonly traceState: string;
  /** Where the request came from: `tcp://127.0.0.1:53211`. */
  readonly peer: string;
  readonly log: Log;
  /** For middleware, to hand things to the handler. */
  readonly state: RequestState;
  /** Makes an error to throw, one that the method's contract names: `throw context.error("SOLD_OUT", "…", { left: 2 })`. */
  readonly error: ErrorMaker<Errors>;
  /**
   * Publishes an event to all who are subscribed to this pod now, at most once.
   * @throws WherryError SERVICE_EVENT_INVALID for a topic that the service has not, or an event that it doesn't take: a bug.
   */
  readonly publish: (topic: string, event: unknown, options?: PublishOptions) => Published;
}

/**
 * What a service's middleware hands to its handlers, as `context.state`. Declare it where you set it:
 * @example declare module "@wherry/service" { interface RequestState { user?: User } }
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- it is there to be extended by declarations
export interface RequestState {}

/** A request as middleware sees it. */
export interface IncomingRequest {
  readonly service: string;
  readonly method: string;
  /** As it came: `input` has not seen it. */
  readonly body: unknown;
  readonly context: RequestContext;
}

/**
 * Stands around every handler of a service: may look at the request, answer it without `next`, time it, or throw a `ServiceError`. `next`
 * runs what is inside, on another body if it is given one, and resolves to the reply; it is called at most once.
 * @example async ({ method }, next) => { const start = performance.now(); try { return await next(); } finally { time(method, start); } }
 */
export type Middleware = (
  request: IncomingRequest,
  next: (changed?: Partial<Pick<IncomingRequest, "body">>) => Promise<unknown>,
) => unknown;

/**
 * What somebody wants: to call `method`, or open a stream of it; or, with one of the names of the framework, which begin with `$`, to
 * subscribe to a topic (`$subscribe`), or to be told of the service (`$describe`, `$openapi`, `$stats`, `$queues`).
 */
export interface AuthorizeRequest extends RequestContext {
  /** Of `$subscribe`: which one. */
  readonly topic?: string | undefined;
}

/** May this caller do that? A text is a no that says why. */
export type Authorize = (request: AuthorizeRequest) => boolean | string | Promise<boolean | string>;

/** What a raw handler is told beside the frames. */
export interface RawContext {
  readonly peer: string;
  readonly log: Log;
}

/** A plain function; what it returns is the reply. Throw a `ServiceError` for what the caller must handle. */
export type Handler<Input = never, Output = unknown, Errors extends ErrorContracts = ErrorContracts> = (
  body: Input,
  context: RequestContext<Errors>,
) => Output | Promise<Output>;

/**
 * Gets the messages of plain ZeroMQ peers, without the empty delimiter that REQ sends; what it returns goes back, undefined
 * nothing. The frames may be views of a larger buffer: copy what outlives the handler.
 */
export type RawHandler = (frames: readonly Uint8Array[], context: RawContext) => RawReply | Promise<RawReply>;
export type RawReply = string | Uint8Array | readonly (string | Uint8Array)[] | undefined;
