// Fluentd's and Fluent Bit's forward protocol, version 1, over TCP: a batch is one PackedForward message with a `chunk` that the
// aggregator acknowledges when it has stored it (https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1).
import { connect, type Socket } from "node:net";
import type { Random } from "@wherry/core";
import { sinkAnswerBytesMax } from "../limits.ts";
import { EventTime, packed } from "./msgpack.ts";
import { type Aggregator, type Delivery, delivered } from "./types.ts";

export interface FluentTarget {
  readonly host: string;
  readonly port: number;
  readonly tag: string;
}

export class Fluent implements Aggregator {
  readonly name: string;
  readonly #target: FluentTarget;
  readonly #random: Random;
  #socket: Socket | undefined;

  constructor(target: FluentTarget, random: Random) {
    this.name = `fluent://${target.host}:${target.port}/${target.tag}`;
    this.#target = target;
    this.#random = random;
  }

  async send(lines: readonly string[], signal: AbortSignal): Promise<Delivery> {
    const chunk = Buffer.from(this.#random.bytes(16)).toString("base64");
    const entries = Buffer.concat(lines.map(entryOf));
    const message = packed([this.#target.tag, entries, { chunk, size: lines.length }]);
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

  #connect(signal: AbortSignal): Promise<Socket> {
    const { host, port } = this.#target;
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, noDelay: true, keepAlive: true });
      // An idle connection to an aggregator is no reason to stay alive.
      socket.unref();
      const abort = (): void => void socket.destroy(signal.reason as Error);
      signal.addEventListener("abort", abort, { once: true });
      socket.once("error", reject);
      socket.once("connect", () => {
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

/** `[time, record]`, as it stands in the message's binary. */
function entryOf(line: string): Buffer {
  const { time, ...record } = JSON.parse(line) as Readonly<Record<string, unknown>>;
  return packed([new EventTime(Date.parse(String(time))), record]);
}

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
      else if (answer.length > sinkAnswerBytesMax || (answer.length >= expected.length && !answer.includes(chunk)))
        settle(new Error("acknowledged another chunk than was sent"));
    };
    socket.on("data", take).on("close", gone);
    signal.addEventListener("abort", abort, { once: true });
    if (socket.destroyed) gone();
    else socket.write(message);
  });
}
