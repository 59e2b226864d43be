// zeromq.js, the native binding of libzmq: one message for each call and promise, which is all that it offers.
import { setImmediate as turn } from "node:timers/promises";
import * as zmq from "zeromq";
import { checkSize, Stream } from "../driver.ts";
import type { Library, Setup } from "../types.ts";

/** Without high-water marks: a ROUTER would drop what goes above them, and an echo be lost. */
const unlimited = { sendHighWaterMark: 0, receiveHighWaterMark: 0 } as const;
/** Sent before the loop looks whether it is to stop. */
const sendsAtATime = 32;

export const library: Library = {
  async echoServer(setup) {
    const socket = new zmq.Router({ ...unlimited, ...securityOf(setup, "server") });
    await socket.bind("tcp://127.0.0.1:*");
    void (async () => {
      for (;;) await socket.send(await socket.receive());
    })();
    return endpointOf(socket);
  },

  async echoClient(endpoint, setup, onReplies) {
    const socket = new zmq.Dealer({ ...unlimited, ...securityOf(setup, "client") });
    const body = Buffer.alloc(setup.bytes, "x");
    let toSend = 0;
    let wake: () => void = () => undefined;
    const woken = (): Promise<void> => new Promise((resolve) => (wake = resolve));
    await connected(socket, endpoint);
    void (async () => {
      for (;;) {
        if (toSend === 0) await woken();
        toSend--;
        await socket.send(body);
      }
    })();
    void count(socket, setup.bytes, onReplies);
    return {
      send(messages) {
        toSend += messages;
        wake();
      },
    };
  },

  async sender(kind, { bytes }) {
    const socket = kind === "pub" ? new zmq.Publisher({ noDrop: true }) : new zmq.Push();
    const send = kind === "pub" ? sendOrRetry : sendOnce;
    await socket.bind("tcp://127.0.0.1:*");
    const body = Buffer.alloc(bytes, "x");
    return new Stream(endpointOf(socket), async () => {
      for (let sent = 0; sent < sendsAtATime; sent++) await send(socket, body);
      return sendsAtATime;
    });
  },

  async receiver(kind, endpoint, { bytes }, onMessages) {
    const socket = kind === "sub" ? new zmq.Subscriber() : new zmq.Pull();
    if (socket instanceof zmq.Subscriber) socket.subscribe();
    await connected(socket, endpoint);
    void count(socket, bytes, onMessages);
  },
};

async function sendOnce(socket: zmq.Push | zmq.Publisher, body: Buffer): Promise<void> {
  await socket.send(body);
}

/** A publisher that is not to drop is given EAGAIN, rather than made to wait. */
async function sendOrRetry(socket: zmq.Push | zmq.Publisher, body: Buffer): Promise<void> {
  for (;;) {
    try {
      await socket.send(body);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      await turn();
    }
  }
}

async function count(
  socket: { receive(): Promise<Buffer[]> },
  bytes: number,
  onCount: (count: number) => void,
): Promise<never> {
  for (;;) {
    const [body] = await socket.receive();
    checkSize(body, bytes);
    onCount(1);
  }
}

/** Connects, and waits for the handshake's end. */
async function connected(socket: zmq.Socket, endpoint: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  socket.events.on("handshake", () => resolve(undefined));
  socket.connect(endpoint);
  await promise;
}

function endpointOf(socket: zmq.Socket): string {
  if (socket.lastEndpoint === null) throw new Error("zeromq.js has bound, but names no endpoint");
  return socket.lastEndpoint;
}

/** Without a ZAP handler libzmq admits every key. */
function securityOf({ curve }: Setup, side: "server" | "client"): object {
  if (curve === undefined) return {};
  if (side === "server") return { curveServer: true, curveSecretKey: curve.server.secretKey };
  return {
    curveServerKey: curve.server.publicKey,
    curvePublicKey: curve.client.publicKey,
    curveSecretKey: curve.client.secretKey,
  };
}
