// What tests of the server share: a server on a network in memory, a peer that speaks the request protocol by hand, and a handler that
// ends when the test says so.
import { type Logger, silentLogger } from "@wherry/core";
import { VirtualClock } from "@wherry/core/testing";
import { afterEach, expect } from "vitest";
import { contentType, messageType } from "../protocol/codes.ts";
import { decodeContent } from "../protocol/content.ts";
import { type Decoded, decode, encode } from "../protocol/frames.ts";
import type { Methods, ServiceDefinition } from "../service.ts";
import { service } from "../define.ts";
import { type MemoryDealer, MemoryNetwork } from "../testing/memory-network.ts";
import type { Ending } from "./hand-back.ts";
import { Server, type ServerOptions } from "./server.ts";

const servers: Server[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

/** A peer that speaks the protocol by hand. */
export class Peer {
  readonly got: Decoded[] = [];
  readonly raw: (readonly Uint8Array[])[] = [];
  gone = false;
  readonly socket: MemoryDealer;

  constructor(network: MemoryNetwork) {
    this.socket = network.dealer();
    this.socket.onMessages((messages) => {
      for (const message of messages) {
        const decoded = decode(message);
        if (typeof decoded === "string") this.raw.push(message);
        else this.got.push(decoded);
      }
      return undefined;
    });
    this.socket.on("disconnect", () => (this.gone = true));
    this.socket.connect("tcp://server");
  }

  hello(): this {
    this.socket.send(encode(messageType.hello, { texts: ["test"] }));
    return this;
  }

  request(id: number, method: string, body: unknown, deadlineMs = 1000): this {
    const header = { id, number: deadlineMs, mark: 1, texts: [method, "", ""], content: contentType.json };
    this.socket.send(encode(messageType.request, header, Buffer.from(JSON.stringify(body))));
    return this;
  }

  /** Answers so far: value, or code and fate. */
  get answers(): unknown[] {
    return this.got.flatMap(({ header, body }) => {
      if (header.type === messageType.reply) return [[header.id, decodeContent(header.content, body)]];
      return header.type === messageType.error ? [[header.id, header.texts[0], header.mark]] : [];
    });
  }

  /** Messages of the errors so far. */
  get messages(): unknown[] {
    return this.got.flatMap(({ header, body }) =>
      header.type === messageType.error ? [(decodeContent(header.content, body) as { message: unknown }).message] : [],
    );
  }

  get types(): number[] {
    return this.got.map(({ header }) => header.type);
  }
}

/** A server in memory, in virtual time, and peers of it. */
export async function start<const M extends Methods>(
  definition: ServiceDefinition<M>,
  log: Logger = silentLogger,
  options: Pick<ServerOptions, "peersMax"> = {},
) {
  const network = new MemoryNetwork();
  const clock = new VirtualClock();
  const router = network.router();
  const crashes: Ending[] = [];
  const server = new Server(router, service("test", definition), {
    clock,
    log,
    instance: "uid-1",
    onCrash: (ending) => crashes.push(ending),
    ...options,
  });
  servers.push(server);
  await server.listen("tcp://server");
  const peer = async (): Promise<Peer> => {
    const made = new Peer(network);
    await expect.poll(() => made.socket.connection).toBeDefined();
    return made;
  };
  return { network, clock, router, server, crashes, peer };
}

/** A handler that ends when the test says so. */
export function gate(): {
  readonly handler: (body: unknown) => Promise<unknown>;
  readonly open: () => void;
  started: unknown[];
} {
  const waiting: (() => void)[] = [];
  const started: unknown[] = [];
  return {
    started,
    handler: (body) => {
      started.push(body);
      return new Promise((resolve) => waiting.push(() => resolve(body)));
    },
    open: () => waiting.shift()?.(),
  };
}
