// Fluentd's and Fluent Bit's forward protocol, version 1, over TCP or TLS: a batch is one PackedForward message with a `chunk` that the
// aggregator acknowledges when it has stored it (https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1).
import { connect, isIP, type Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";
import type { Random } from "@wherry/core";
import { sinkAnswerBytesMax } from "../limits.ts";
import type { FluentAuth } from "./fluent-handshake.ts";
import { gzipped } from "./gzip.ts";
import { EventTime, packed } from "./msgpack.ts";
import { type Aggregator, type Delivery, delivered } from "./types.ts";

export interface FluentTarget {
  readonly host: string;
  readonly port: number;
  readonly tag: string;
  readonly tls: boolean;
  /** What the server must know, and this side proves to know. Undefined: there is no handshake. */
  readonly auth: FluentAuth | undefined;
  /** Batches are compressed (`CompressedPackedForward`). */
  readonly gzip: boolean;
}

export class Fluent implements Aggregator {
  readonly name: string;
  readonly #target: FluentTarget;
  readonly #random: Random;
  #socket: Socket | undefined;

  constructor(target: FluentTarget, random: Random) {
    this.name = `fluent${target.tls ? "+tls" : ""}://${target.host}:${target.port}/${target.tag}`;
    this.#target = target;
    this.#random = random;
  }

  async send(lines: readonly string[], signal: AbortSignal): Promise<Delivery> {
    const chunk = Buffer.from(this.#random.bytes(16)).toString("base64");
    const { tag, gzip } = this.#target;
    const plain = Buffer.concat(lines.map(entryOf));
    const entries = gzip ? await gzipped(plain) : plain;
    const message = packed([tag, entries, { chunk, size: lines.length, ...(gzip ? { compressed: "gzip" } : {}) }]);
    const socket = this.#socket ?? (await this.#connect(signal));
    this.#socket = socket;
    try {
      await acknowledged(socket, message, chunk, signal);
    } catch (error) {
      // What else comes on this connection belongs to a batch that is given up.
      this.close();
      throw error;
    }
    return delivered;
  }

  async #connect(signal: AbortSignal): Promise<Socket> {
    const { auth } = this.#target;
    const socket = await this.#open(signal);
    if (auth === undefined) return socket;
    try {
      const { shakeHands } = await import("./fluent-handshake.ts");
      await shakeHands(socket, auth, this.#random, signal);
      return socket;
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  #open(signal: AbortSignal): Promise<Socket> {
    const { host, port, tls } = this.#target;
    return new Promise((resolve, reject) => {
      const to = { host, port, noDelay: true, keepAlive: true };
      // A name is asked for by name (SNI), and the certificate must be its; of an address, the address's.
      const socket = tls ? secureConnect({ ...to, ...(isIP(host) === 0 ? { servername: host } : {}) }) : connect(to);
      // An idle connection to an aggregator is no reason to stay alive.
      socket.unref();
      const abort = (): void => void socket.destroy(signal.reason as Error);
      signal.addEventListener("abort", abort, { once: true });
      socket.once("error", reject);
      socket.once(tls ? "secureConnect" : "connect", () => {
        signal.removeEventListener("abort", abort);
        socket.off("error", reject);
        // Between batches an error only means that the next one needs another connection.
        socket.on("error", () => undefined);
        socket.once("close", () => {
          if (this.#socket === socket) this.#socket = undefined;
        });
        resolve(socket);
      });
    });
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }
}

/** Not imported: only who encrypts pays for it. */
const secureConnect = (options: ConnectionOptions): Socket => process.getBuiltinModule("node:tls").connect(options);

/** `[time, record]`, as it stands in the message's binary. */
function entryOf(line: string): Buffer {
  const { time, ...record } = JSON.parse(line) as Readonly<Record<string, unknown>>;
  return packed([new EventTime(Date.parse(String(time))), record]);
}

/** `["HELO", …]`, unasked: it wants the handshake. */
const asksForKey = (answer: Buffer): boolean => answer.subarray(1, 6).equals(Buffer.from("\xa4HELO", "latin1"));

/** Resolves with the aggregator's `{ "ack": chunk }`. */
function acknowledged(socket: Socket, message: Buffer, chunk: string, signal: AbortSignal): Promise<void> {
  const expected = packed({ ack: chunk });
  let answer = Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    const settle = (error?: Error): void => {
      socket.off("data", take).off("close", gone);
      signal.removeEventListener("abort", abort);
      if (error === undefined) resolve();
      else reject(error);
    };
    const gone = (): void => settle(new Error("the connection closed before the acknowledgement"));
    const abort = (): void => settle(signal.reason as Error);
    const take = (bytes: Buffer): void => {
      answer = Buffer.concat([answer, bytes]);
      if (answer.includes(expected)) settle();
      else if (asksForKey(answer)) settle(new Error("asks for a shared key: give it in LOG_SHARED_KEY"));
      else if (answer.length > sinkAnswerBytesMax || (answer.length >= expected.length && !answer.includes(chunk)))
        settle(new Error("acknowledged another chunk than was sent"));
    };
    socket.on("data", take).on("close", gone);
    signal.addEventListener("abort", abort, { once: true });
    if (socket.destroyed) gone();
    else socket.write(message);
  });
}
