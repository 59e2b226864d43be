// Servers that speak aggregators' protocols and keep what they get, for tests; and that misbehave as they are told.
import { once } from "node:events";
import { createServer as createHttpServer, type IncomingHttpHeaders } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { unpackAll } from "./msgpack.ts";

export interface HttpRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What to answer; undefined: nothing, ever. `cut`: half of an answer, then the connection ends. */
type HttpAnswer = { readonly status: number; readonly body: string; readonly cut?: boolean } | undefined;

export interface TestServer {
  readonly port: number;
  close(): Promise<void>;
}

export async function httpAggregator(
  answer: (request: HttpRequest, count: number) => HttpAnswer,
): Promise<TestServer & { readonly requests: HttpRequest[] }> {
  const requests: HttpRequest[] = [];
  const server = createHttpServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const got = { path: request.url ?? "", headers: request.headers, body: Buffer.concat(chunks).toString() };
      requests.push(got);
      const told = answer(got, requests.length);
      if (told === undefined) return;
      const length = Buffer.byteLength(told.body) + (told.cut === true ? 10 : 0);
      response.writeHead(told.status, { "content-type": "application/json", "content-length": length });
      if (told.cut === true) response.write(told.body, () => response.destroy());
      else response.end(told.body);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return { port: (server.address() as AddressInfo).port, requests, close };
}

export interface FluentMessage {
  readonly tag: string;
  readonly entries: readonly { readonly seconds: number; readonly nanoseconds: number; readonly record: unknown }[];
  readonly size: number;
}

/** @param acknowledge the bytes to answer with. */
export async function fluentAggregator(
  acknowledge: (chunk: string, socket: Socket) => Buffer | undefined = ackOf,
): Promise<TestServer & { readonly messages: FluentMessage[] }> {
  const messages: FluentMessage[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    let received = Buffer.alloc(0);
    socket.on("data", (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
      let values: unknown[];
      try {
        values = unpackAll(received);
      } catch {
        // Not all of it is there yet.
        return;
      }
      received = Buffer.alloc(0);
      for (const value of values) {
        const [tag, entries, option] = value as [string, Buffer, { readonly chunk: string; readonly size: number }];
        messages.push({ tag, entries: unpackAll(entries).map(entryOf), size: option.size });
        const answer = acknowledge(option.chunk, socket);
        if (answer !== undefined) socket.write(answer);
      }
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  };
  return { port: (server.address() as AddressInfo).port, messages, close };
}

/** `{ "ack": chunk }`, by hand: a map of one, a text of 3 bytes, a text of less than 32. */
export function ackOf(chunk: string): Buffer {
  return Buffer.concat([
    Buffer.from([0x81, 0xa3]),
    Buffer.from("ack"),
    Buffer.from([0xa0 | chunk.length]),
    Buffer.from(chunk),
  ]);
}

function entryOf(entry: unknown): FluentMessage["entries"][number] {
  const [time, record] = entry as [{ readonly type: number; readonly data: Buffer }, unknown];
  if (time.type !== 0 || time.data.length !== 8) throw new Error("expected an EventTime");
  return { seconds: time.data.readUInt32BE(0), nanoseconds: time.data.readUInt32BE(4), record };
}
