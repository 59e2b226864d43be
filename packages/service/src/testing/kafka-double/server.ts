// A double of a Kafka broker, of one node, for tests where no Kafka can be had: it speaks Kafka's own protocol over TCP, one version of
// each request that a client of durable calls makes, and enforces epochs, sequences, checksums and generations as Kafka does. It keeps
// everything in memory. What it is not: replicated, secured, or quick.
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { type Clock, SystemClock } from "@wherry/core";
import { Group } from "./group.ts";
import { handlers } from "./requests.ts";
import type { Broker } from "./types.ts";
import { Topics } from "./log.ts";
import { WireReader, WireWriter } from "./wire.ts";

const apiVersions = 18;
/** Requests that a broker which is killed may do without an answer, and milliseconds that it waits for the next of them. */
const unheardMax = 12;
const unheardMs = 50;

export class KafkaDouble implements Broker {
  readonly topics: Topics = new Topics();
  readonly groups: Map<string, Group> = new Map();
  readonly clock: Clock = new SystemClock();
  host = "127.0.0.1";
  port = 0;
  nextProducerId = 1000n;
  readonly #waiting: Set<() => void> = new Set();
  readonly #sockets: Set<Socket> = new Set();
  /** Answers that were not sent, while it ends. */
  #unheard: number | undefined;
  readonly #server: Server = createServer((socket) => this.#connected(socket));

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(this.port, this.host, resolve));
    this.port = (this.#server.address() as AddressInfo).port;
    return `kafka://${this.host}:${this.port}`;
  }

  async close(): Promise<void> {
    for (const group of this.groups.values()) group.close();
    this.cut();
    this.appended();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Breaks every connection, as a network does. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /**
   * Ends as a broker that is killed: what it does in its last moments it does for good, but nobody hears of it. Then it starts again on
   * its port with all it had, members of groups included: Kafka keeps those in a topic, and gives them their sessions anew.
   */
  async restart(): Promise<void> {
    this.#unheard = 0;
    while (this.#sockets.size > 0 && this.#unheard < unheardMax) {
      const before: number = this.#unheard;
      await this.clock.sleep(unheardMs);
      if (this.#unheard === before) break;
    }
    const ended = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    this.appended();
    await ended;
    this.#unheard = undefined;
    await this.listen();
  }

  group(id: string): Group {
    let group = this.groups.get(id);
    if (group === undefined) {
      group = new Group(this.clock);
      this.groups.set(id, group);
    }
    return group;
  }

  /** Wakes the fetches that wait for data. */
  appended(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Resolves at the next append, or after `limitMs`. */
  nextAppend(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.clock.timer(limitMs, () => done(), { background: true });
      const done = (): void => {
        timer.cancel();
        this.#waiting.delete(done);
        resolve();
      };
      this.#waiting.add(done);
    });
  }

  #connected(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => undefined);
    let buffered = Buffer.alloc(0);
    // Kafka answers the requests of a connection in their order.
    let before: Promise<void> = Promise.resolve();
    socket.on("data", (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk]);
      while (buffered.length >= 4 && buffered.length >= 4 + buffered.readInt32BE(0)) {
        const request = buffered.subarray(4, 4 + buffered.readInt32BE(0));
        buffered = buffered.subarray(4 + request.length);
        const answer = this.#answer(request);
        before = before.then(async () => {
          const bytes = await answer;
          if (this.#unheard !== undefined) this.#unheard++;
          if (socket.destroyed || this.#unheard !== undefined) return;
          const length = Buffer.alloc(4);
          length.writeInt32BE(bytes.length);
          socket.write(Buffer.concat([length, bytes]));
        });
        // A request that this double cannot read is a mistake of the test's: the connection ends, as Kafka's does.
        before.catch((error: unknown) => socket.destroy(error as Error));
      }
    });
  }

  async #answer(request: Buffer): Promise<Buffer> {
    const reader = new WireReader(request);
    const [key, version, correlation] = [reader.int16(), reader.int16(), reader.int32()];
    reader.oldText();
    reader.tags();
    const handler = handlers.get(key);
    const writer = new WireWriter().int32(correlation);
    if (key === apiVersions) {
      // 35: UNSUPPORTED_VERSION. Its answer's header is the oldest, so that everyone can read it.
      const supported = [...handlers].map(([api, { version: only }]) => ({ api, only }));
      writer.int16(version === 3 ? 0 : 35);
      writer.array([...supported, { api: apiVersions, only: 3 }], ({ api, only }) =>
        writer.int16(api).int16(only).int16(only).tags(),
      );
      return writer.int32(0).tags().end();
    }
    if (handler?.version !== version)
      throw new Error(`request ${key} of version ${version}: the double has ${handler?.version}`);
    writer.tags();
    await handler.answer(this, reader, writer);
    return writer.end();
  }
}
