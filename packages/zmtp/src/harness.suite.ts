// For the tests of this package: peers that speak bytes instead of ZMTP, and conditions to wait for.
import "./leftovers.suite.ts";
import { connect, type Socket as NetSocket } from "node:net";
import { afterEach, expect } from "vitest";
import type { AnySocket, Socket } from "./types.ts";
import { encodeReady } from "./wire/command.ts";
import { encodeGreeting } from "./wire/greeting.ts";

/** A TCP connection that sends and records raw bytes. */
export class RawPeer {
  readonly socket: NetSocket;
  received: Buffer = Buffer.alloc(0);
  ended = false;

  private constructor(socket: NetSocket) {
    this.socket = socket;
    socket.on("data", (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.ended = true;
    });
  }

  /** @param from an address of this machine, such as 127.0.0.2: another host, as the other end sees it */
  static async connect(endpoint: string, from?: string): Promise<RawPeer> {
    const url = new URL(endpoint.replace("tcp:", "http:"));
    const local = from === undefined ? {} : { localAddress: from };
    const socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true, ...local });
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    return new RawPeer(socket);
  }

  send(...bytes: (Uint8Array | readonly number[])[]): void {
    this.socket.write(Buffer.concat(bytes.map((part) => Uint8Array.from(part))));
  }

  /** Greeting and READY as a peer of that socket type. */
  introduce(socketType: string, identity = ""): void {
    this.send(encodeGreeting("NULL", false), ready(socketType, identity));
  }

  destroy(): void {
    this.socket.destroy();
  }
}

export function ready(socketType: string, identity = ""): Buffer {
  return encodeReady(
    new Map([
      ["Socket-Type", Buffer.from(socketType)],
      ["Identity", Buffer.from(identity)],
    ]),
  );
}

export function text(message: readonly Uint8Array[]): string[] {
  return message.map((frame) => Buffer.from(frame).toString());
}

/** For a file, or a part of one: what it gives to the answer is closed after each test. */
export function keeper(lingerMs = 50): <S extends AnySocket>(socket: S) => S {
  const kept: AnySocket[] = [];
  afterEach(async () => {
    await Promise.all(kept.splice(0).map((socket) => socket.close({ lingerMs })));
  });
  return (socket) => {
    kept.push(socket);
    return socket;
  };
}

/** Each message goes back to where it came from. */
export function echo(socket: Socket): void {
  socket.onMessages((messages) => {
    for (const message of messages) expect(socket.send(message)).toBe("sent");
    return undefined;
  });
}

/** Waits until `condition` holds. */
export async function until(condition: () => boolean): Promise<void> {
  await expect.poll(condition, { interval: 5 }).toBe(true);
}

/** A connected client still gets its echo: everyone else is served. */
export async function expectServed(client: Socket, body: string): Promise<void> {
  expect(client.send(body)).toBe("sent");
  expect(text(await client.receive(AbortSignal.timeout(60_000)))).toEqual([body]);
}
