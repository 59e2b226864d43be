// A method that streams, over HTTP: the caller of one stream. Its items leave no faster than the client's connection takes them, and
// come in no faster than the handler does. Loaded when the first one is opened.
import type { BodyShare } from "../server/body-budget.ts";
import type { IncomingMessage } from "node:http";
import type { Timer } from "@wherry/core";
import { ServiceError } from "../errors.ts";
import { bodyBytesMax, httpStreamHeadMs, streamWindowBytes, streamWindowItems } from "../limits.ts";
import { contentType } from "../protocol/codes.ts";
import { bytesOfText, type Content, type TextContent } from "../protocol/content.ts";
import { wirePlace } from "../protocol/frames.ts";
import type { Incoming, StreamCaller } from "../server/caller.ts";
import { refusal } from "../server/refusals.ts";
import type { Party } from "../server/party.ts";
import type { Server } from "../server/server.ts";
import type { ServerStream } from "../server/stream.ts";
import type { Method } from "../service.ts";
import { Outflow, SendWindow } from "../stream/window.ts";
import { checkLines, hasBody, tooMany } from "./body.ts";
import type { Exchange } from "./exchange.ts";
import { LineSplitter } from "./lines.ts";
import { acceptsEvents, headOf, incomingOf } from "./request.ts";
import type { Match } from "./route.ts";
import { EventWriter, type ItemWriter, lastEventId, LineWriter } from "./writers.ts";

/** @throws ServiceError as `incomingOf` does: nothing has started */
export async function openStream(
  server: Server,
  exchange: Exchange,
  match: Match<Method>,
  query: string,
  share: BodyShare,
): Promise<void> {
  const { request } = exchange;
  const { method } = match.route;
  const events = acceptsEvents(request);
  // An EventSource that has seen the end comes again all the same; this makes it stay away.
  if (events && request.headers["last-event-id"] === lastEventId) {
    exchange.answer(204, {});
    return;
  }
  if (request.method === "HEAD") {
    exchange.answer(200, { "content-type": events ? "text/event-stream" : "application/x-ndjson" });
    return;
  }
  // It would be ended at once.
  if (method.endless && server.state === "draining") throw refusal();
  const opening =
    method.stream === "out"
      ? await incomingOf(request, match, query, share, () => exchange.proceed())
      : itemsOf(exchange, method, query);
  if (exchange.isOver) return;
  const after = method.resumable ? placeOf(request.headers["last-event-id"]) : 0;
  const writer = events ? new EventWriter(exchange, server.clock, after) : new LineWriter(exchange);
  new HttpStream(server, exchange, method, writer, share).run({ ...opening, after });
}

/** The last item that its client got, of a stream that broke off; 0 for what is no place. */
function placeOf(id: string | string[] | undefined): number {
  return typeof id === "string" && /^\d{1,15}$/.test(id) ? Number(id) : 0;
}

function itemsOf(exchange: Exchange, method: Method, query: string): Incoming {
  if (query !== "")
    throw new ServiceError("INVALID", "query: expected none for a stream of items", { fate: "not-started" });
  checkLines(exchange.request);
  exchange.proceed();
  exchange.takeTime();
  return { ...headOf(method, exchange.request.headers), content: contentType.none, body: undefined };
}

class HttpStream implements StreamCaller {
  readonly outflow: Outflow = new Outflow();
  readonly #server: Server;
  readonly #exchange: Exchange;
  readonly #method: Method;
  readonly #writer: ItemWriter;
  readonly #share: BodyShare;
  #stream: ServerStream | undefined;
  /** Of items that come in: what the handler still takes. */
  readonly #room: SendWindow = new SendWindow(new Outflow());
  /** No more items are wanted. */
  #stopped = false;
  #head: Timer | undefined;

  constructor(server: Server, exchange: Exchange, method: Method, writer: ItemWriter, share: BodyShare) {
    this.#server = server;
    this.#exchange = exchange;
    this.#method = method;
    this.#writer = writer;
    this.#share = share;
  }

  get address(): string {
    return this.#exchange.address;
  }

  get party(): Party {
    return this.#exchange.party;
  }

  run(opening: Incoming): void {
    this.#server.streams?.open(opening, this, (stream) => {
      this.#stream = stream;
      this.#exchange.gone = () => {
        this.#end();
        stream.stop(gone());
      };
      if (this.#method.stream !== "in") stream.granted(streamWindowItems, streamWindowBytes);
    });
    const { request } = this.#exchange;
    if (this.#stream === undefined || this.#method.stream === "out") return;
    if (hasBody(request)) void this.#feed(request, this.#stream);
    else this.#stream.ended();
  }

  grant(_id: number, items: number, bytes: number): void {
    this.#room.grant(items, bytes);
    if (this.#method.stream === "in" || this.#head !== undefined) return;
    // The first says that it is taken, which its client learns early; what fails at once still has a status of its own.
    const open = (): void => this.#writer.open();
    this.#head = this.#server.clock.timer(httpStreamHeadMs, open, { background: true });
  }

  /** What the socket has taken makes room for more: a client that reads slowly stops the handler at its `yield`. */
  item(_id: number, place: number, content: Content): void {
    this.#writer.item(place, content, () => this.#stream?.granted(1, content.body?.length ?? 0));
  }

  stop(): void {
    this.#stopped = true;
    this.#room.close();
  }

  reply(_id: number, text: TextContent): void {
    const content = bytesOfText(text);
    this.#end();
    if (this.#method.stream === "in") this.#exchange.reply(0, content);
    else this.#writer.done(content);
  }

  fail(_id: number, error: ServiceError): void {
    this.#end();
    if (this.#writer.tells(error)) this.#writer.fail(error);
    else this.#exchange.fail(0, error);
  }

  #end(): void {
    this.stop();
    this.#head?.cancel();
    this.#writer.stop();
  }

  /** Gives the body's lines to the handler, each when it takes it: until then the client's connection is not read. */
  async #feed(request: IncomingMessage, stream: ServerStream): Promise<void> {
    const lines = new LineSplitter(bodyBytesMax);
    let taken = 0;
    const pass = async (line: Buffer): Promise<void> => {
      if (isBlank(line)) return;
      if (!this.#room.isOpen) await this.#room.opens();
      if (this.#stopped) return;
      this.#room.spend(line.length);
      stream.item(wirePlace(++taken), { content: contentType.json, body: line }, `line ${lines.count}`);
    };
    try {
      for await (const piece of request.iterator({ destroyOnReturn: false })) {
        for (const line of lines.push(piece as Buffer)) {
          await pass(line);
          if (this.#stopped) break;
        }
        if (this.#stopped) break;
        this.#share.release();
        if (!this.#share.take(lines.heldBytes)) throw tooMany("maybe-executed");
      }
      const last = this.#stopped ? undefined : lines.end();
      if (last !== undefined) await pass(last);
      stream.ended();
    } catch (error) {
      if (error instanceof RangeError) stream.stop(tooLong(lines.count + 1));
      else if (ServiceError.is(error)) stream.stop(error);
      else if (request.complete) throw error;
      else stream.stop(gone());
    } finally {
      // What still comes is thrown away, so that the connection can go on; only when Node has noticed that nobody reads any more.
      process.nextTick(() => request.resume());
    }
  }
}

function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09);
}

function tooLong(line: number): ServiceError {
  const message = `line ${line}: expected at most ${bodyBytesMax} bytes, got more; send it in parts`;
  return new ServiceError("TOO_LARGE", message, { status: 413, fate: "maybe-executed" });
}

function gone(): ServiceError {
  return new ServiceError("CANCELLED", "the caller's connection closed", { fate: "maybe-executed" });
}
