// Reads requests' bodies, within limits of size, time and number. It knows no objects: what is in a body is api/body.ts' affair.
import { asError, type Clock } from "@wherry/core";
import { badRequest, makeStatus, StatusError, tooLarge, tooManyRequests } from "@wherry/kube";
import type { IncomingMessage } from "node:http";
import { limits } from "../limits.ts";
import { parseMediaType, protobufType } from "../negotiate.ts";
import type { ApiRequest, User } from "../types.ts";
import { Budget } from "./budget.ts";

type Body = NonNullable<ApiRequest["body"]>;

export const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";

export class Bodies {
  readonly #clock: Clock;
  readonly #count = new Budget({ total: limits.bodiesAtOnceMax, perUser: limits.bodiesAtOncePerUserMax });
  readonly #bytes = new Budget({ total: limits.bodyBytesAtOnceMax, perUser: limits.bodyBytesAtOncePerUserMax });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Undefined without a body. @throws StatusError 400, 408, 413, 429; then the rest of the body is unread. */
  async read(request: IncomingMessage, user: User): Promise<Body | undefined> {
    if (!hasBody(request)) return undefined;
    const { type } = parseMediaType(request.headers["content-type"] ?? "");
    const checkSize = (bytes: number): void => {
      if (bytes > limits.bodyBytesMax) throw tooLarge(`limit is ${limits.bodyBytesMax}`);
    };
    checkSize(Number(request.headers["content-length"] ?? 0));
    if (!this.#count.take(user)) throw tooMany();
    const over = new AbortController();
    const timer = this.#clock.timer(limits.bodyTimeoutMs, () => over.abort(tooSlow()));
    try {
      const whole = await this.#collect(request, user, checkSize, over.signal);
      if (whole.length === 0) return undefined;
      return type === protobufType ? { bytes: whole } : { text: textOf(whole) };
    } finally {
      timer.cancel();
      this.#count.give(user);
    }
  }

  #collect(
    request: IncomingMessage,
    user: User,
    checkSize: (bytes: number) => void,
    over: AbortSignal,
  ): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    return new Promise<Buffer>((resolve, reject) => {
      if (request.destroyed) {
        reject(new Error("the client is gone"));
        return;
      }
      const take = (chunk: Buffer): void => {
        try {
          checkSize(bytes + chunk.length);
          if (!this.#bytes.take(user, chunk.length)) throw tooMany();
          bytes += chunk.length;
          chunks.push(chunk);
        } catch (problem) {
          stop(() => reject(asError(problem)));
          request.pause();
        }
      };
      // Once: what comes after it is nobody's, and is not kept.
      const stop = (settle: () => void): void => {
        request.off("data", take).off("end", whole).off("error", left).off("close", left);
        over.removeEventListener("abort", expired);
        this.#bytes.give(user, bytes);
        settle();
      };
      const expired = (): void => stop(() => reject(over.reason as Error));
      const left = (): void => stop(() => reject(new Error("the client is gone")));
      const whole = (): void => stop(() => resolve(Buffer.concat(chunks)));
      over.addEventListener("abort", expired, { once: true });
      request.on("data", take).once("end", whole).once("error", left).once("close", left);
    });
  }
}

const tooMany = (): StatusError => tooManyRequests("too many bodies are being sent at once, please try again later", 1);
const tooSlow = (): StatusError =>
  new StatusError(
    makeStatus(408, "Timeout", `the body did not come within ${limits.bodyTimeoutMs / 1000} s: send it faster`, {}),
  );

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw badRequest("the body is not UTF-8");
  }
}
