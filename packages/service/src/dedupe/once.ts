// Executes a keyed call once: the first with its key runs, those beside it wait for its result, those after it get it from the store.
import { type Clock, nodeCrypto, WherryError } from "@wherry/core";
import { ServiceError } from "../errors.ts";
import { duplicatePollFirstMs, duplicatePollMaxMs } from "../limits.ts";
import { frameworkCodes } from "../protocol/codes.ts";
import { type Codec, type Content, decodeContent, encodeContent } from "../protocol/content.ts";
import type { RequestJob } from "../server/job.ts";
import { clientName } from "../server/party.ts";
import { openClaim, type OpenClaim, StoreBusy } from "./claims.ts";
import type { Begun, Claim, KeyedCall, KeyStore, StoredResult } from "./types.ts";

export interface Execution {
  /** Runs the handler. */
  readonly run: () => unknown;
  /** What the handler returned as its reply travels, checked; a promise if the method's output schema is asynchronous. */
  readonly contentOf: (value: unknown) => Content | Promise<Content>;
}

export class Once {
  readonly #service: string;
  readonly #store: KeyStore;
  readonly #clock: Clock;
  /** What results are stored by. */
  readonly #codec: Codec | undefined;

  constructor(service: string, store: KeyStore, clock: Clock, codec?: Codec) {
    this.#codec = codec;
    this.#service = service;
    this.#store = store;
    this.#clock = clock;
  }

  /** Is this request one that is executed once? */
  covers({ method, context }: RequestJob): boolean {
    return method.keyed && context.key !== undefined;
  }

  /** @returns the handler's value, or the one that is stored. */
  async perform(job: RequestJob, execution: Execution): Promise<unknown> {
    const call = this.#callOf(job);
    for (let asked = 0; ; asked++) {
      const begun = await this.#begin(call);
      if (begun.state === "done") return replay(begun.result, this.#codec);
      if (begun.state === "other-body") throw otherBody(call);
      if (begun.state === "running") {
        await this.#wait(job, begun, asked);
        continue;
      }
      const outcome = await this.#execute(job, begun.claim, execution);
      if (outcome === "busy") continue;
      if (outcome !== "lost") return replay(outcome, this.#codec);
      job.context.log.warn({ key: call.key }, "another execution of this key took over; its result is the answer");
    }
  }

  #callOf({ method, context, content, body, caller: brought }: RequestJob): KeyedCall {
    const hash = nodeCrypto().createHash("sha256").update(Uint8Array.of(content));
    if (body !== undefined) hash.update(body);
    const fingerprint = hash.digest("base64url");
    const named = { scope: `${this.#service}.${method.name}`, key: context.key ?? "", fingerprint };
    if (brought.delivers === true) return named;
    // Of this machine, too: connections come and go, results are kept for longer.
    return { ...named, caller: clientName({ address: context.peer, userId: context.userId }) };
  }

  async #begin(call: KeyedCall): Promise<Begun> {
    try {
      return await this.#store.begin(call);
    } catch (cause) {
      if (ServiceError.is(cause)) throw cause;
      const message = `the store of idempotency keys failed (${String(cause)}); the call was not executed, try again`;
      throw new ServiceError("UNAVAILABLE", message, { retryable: true, cause });
    }
  }

  /** Waits for the one that runs, as long as this caller does. */
  async #wait({ context }: RequestJob, { settled }: Begun & { state: "running" }, asked: number): Promise<void> {
    const pauseMs = Math.min(duplicatePollMaxMs, duplicatePollFirstMs * 2 ** Math.min(asked, 10));
    try {
      await Promise.race([this.#clock.sleep(pauseMs, context.signal), settled ?? new Promise(() => undefined)]);
    } catch (cause) {
      const message = "another attempt of this call with the same key still ran when this one's time was over";
      throw new ServiceError("DEADLINE_EXCEEDED", message, { retryable: true, cause });
    }
  }

  async #execute(job: RequestJob, claim: Claim, execution: Execution): Promise<StoredResult | "lost" | "busy"> {
    const open: OpenClaim = {
      claim,
      resultOf: (value) => {
        const content = execution.contentOf(value);
        if (content instanceof Promise) throw new TypeError("commit: expected a synchronous output schema");
        return { kind: "reply", ...content };
      },
      recorded: undefined,
    };
    openClaim(job.context, open);
    const stopRenewing = this.#renewing(claim);
    try {
      const value = await execution.run();
      if (open.recorded !== undefined) return open.recorded;
      const result = await resultOf(value, execution);
      return (await this.#store.finish(claim, result)) ? result : "lost";
    } catch (error) {
      if (WherryError.is(error, "SERVICE_CLAIM_LOST")) return "lost";
      if (open.recorded !== undefined && ServiceError.is(error)) return open.recorded;
      await this.#failed(job, claim, error);
      // As if its process had died before the commit: the method is called again, once the store has time.
      if (error instanceof StoreBusy && !job.context.signal.aborted) return "busy";
      throw error;
    } finally {
      stopRenewing();
    }
  }

  /**
   * A definite error of the method's own is its result. After any other, the same call may succeed, and is executed again. So may a
   * durable call: it is a dead letter now, and whoever drives it back wants it run, not the old error.
   */
  async #failed({ method }: RequestJob, claim: Claim, error: unknown): Promise<void> {
    const definite = ServiceError.is(error) && !error.retryable && !Object.hasOwn(frameworkCodes, error.code);
    const result = definite && method.durable === undefined ? errorResult(error) : undefined;
    if (result === undefined) await this.#store.forget(claim);
    else await this.#store.finish(claim, result);
  }

  #renewing(claim: Claim): () => void {
    const { leaseMs } = this.#store;
    if (leaseMs === Infinity) return () => undefined;
    const renew = async (): Promise<void> => this.#store.renew(claim);
    const again = (): ReturnType<Clock["timer"]> =>
      this.#clock.timer(
        leaseMs / 3,
        () => {
          // One that fails is tried again; when all do, the claim is lost, and `finish` says so.
          void renew().catch(() => undefined);
          timer = again();
        },
        { background: true },
      );
    let timer = again();
    return () => timer.cancel();
  }
}

/** What the caller will get. A reply that is too large is that as well: the handler has run, and had its effect. */
async function resultOf(value: unknown, { contentOf }: Execution): Promise<StoredResult> {
  try {
    return { kind: "reply", ...(await contentOf(value)) };
  } catch (error) {
    const result = ServiceError.is(error, "TOO_LARGE") ? errorResult(error) : undefined;
    if (result === undefined) throw error;
    return result;
  }
}

/** Undefined for one with details that cannot be kept, or sent. */
function errorResult({ code, message, details }: ServiceError): StoredResult | undefined {
  try {
    return { kind: "error", ...encodeContent({ code, message, details }) };
  } catch {
    return undefined;
  }
}

function replay({ kind, content, body }: StoredResult, codec: Codec | undefined): unknown {
  const value = decodeContent(content, body, codec);
  if (kind === "reply") return value;
  const { code, message, details } = value as Pick<ServiceError, "code" | "message" | "details">;
  throw new ServiceError(code, message, { details });
}

function otherBody({ scope, key }: KeyedCall): ServiceError {
  const message = `key ${JSON.stringify(key)} of ${scope}: expected the body that it first came with, got another; use a new key for a new call`;
  return new ServiceError("INVALID", message);
}
