// Servers that speak aggregators' protocols and keep what they get, for tests; and that misbehave as they are told.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttpServer, type IncomingHttpHeaders } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { gunzipSync } from "node:zlib";
import { packed } from "../log/msgpack.ts";
import { unpackAll } from "../log/unpack.ts";

export interface HttpRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Uncompressed. */
  readonly body: string;
}

/** What to answer; undefined: nothing, ever. `cut`: half of an answer, then the connection ends. */
type HttpAnswer =
  | { readonly status: number; readonly body: string; readonly cut?: boolean; readonly retryAfter?: string }
  | undefined;

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
      const bytes = Buffer.concat(chunks);
      const body = (request.headers["content-encoding"] === "gzip" ? gunzipSync(bytes) : bytes).toString();
      const got = { path: request.url ?? "", headers: request.headers, body };
      requests.push(got);
      const told = answer(got, requests.length);
      if (told === undefined) return;
      const length = Buffer.byteLength(told.body) + (told.cut === true ? 10 : 0);
      if (told.retryAfter !== undefined) response.setHeader("retry-after", told.retryAfter);
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
  /** `gzip`: how its entries came. */
  readonly compressed?: string;
}

export interface FluentOptions {
  /** What a client must know; it is told in a handshake. */
  readonly sharedKey?: string;
  /** Passwords by user, which it is then asked for, too. */
  readonly users?: Readonly<Record<string, string>>;
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Does not know the key, and says that it does. */
  readonly liar?: boolean;
}

const sha512 = (...parts: readonly string[]): string => createHash("sha512").update(parts.join("")).digest("hex");

/** The server's side of the handshake, as the specification has it. @returns what to answer to PING, and whether the client is in. */
function handshake({ sharedKey = "", users, liar = false }: FluentOptions) {
  const [nonce, auth] = ["nonce-of-16-bytes", users === undefined ? "" : "salt-of-users"];
  const helo = packed(["HELO", { nonce: Buffer.from(nonce), auth: Buffer.from(auth), keepalive: true }]);
  const judge = (ping: unknown): { readonly answer: Buffer; readonly accepted: boolean } => {
    const [, client, salt, proof, user, password] = ping as string[];
    const known = proof === sha512(salt ?? "", client ?? "", nonce, sharedKey);
    const allowed = users === undefined || password === sha512(auth, user ?? "", users[user ?? ""] ?? "nobody's");
    const accepted = liar || (known && allowed);
    const reason = known ? (allowed ? "" : "username/password mismatch") : "shared key mismatch";
    const own = sha512(salt ?? "", "server", nonce, liar ? "guessed" : sharedKey);
    return { answer: packed(["PONG", accepted, reason, "server", accepted ? own : ""]), accepted };
  };
  return { helo, judge };
}

/** @param acknowledge the bytes to answer with. */
export async function fluentAggregator(
  acknowledge: (chunk: string, socket: Socket) => Buffer | undefined = ackOf,
  options: FluentOptions = {},
): Promise<TestServer & { readonly messages: FluentMessage[] }> {
  const messages: FluentMessage[] = [];
  const sockets = new Set<Socket>();
  const served = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    const hands = options.sharedKey === undefined ? undefined : handshake(options);
    let isIn = hands === undefined;
    if (hands !== undefined) socket.write(hands.helo);
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
        if (!isIn && hands !== undefined) {
          const { answer, accepted } = hands.judge(value);
          isIn = accepted;
          socket.write(answer);
          continue;
        }
        const [tag, bytes, option] = value as [string, Buffer, { chunk: string; size: number; compressed?: string }];
        const { size, compressed } = option;
        const entries = unpackAll(compressed === "gzip" ? gunzipSync(bytes) : bytes).map(entryOf);
        messages.push({ tag, entries, size, ...(compressed === undefined ? {} : { compressed }) });
        const answer = acknowledge(option.chunk, socket);
        if (answer !== undefined) socket.write(answer);
      }
    });
  };
  const { tls } = options;
  const server = (tls === undefined ? createServer(served) : createTlsServer(tls, served)).listen(0, "127.0.0.1");
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
