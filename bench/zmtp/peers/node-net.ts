// Bare node:net with length prefixes: see framed.ts.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { checkSize, Stream } from "../driver.ts";
import { FramedWriter, readFrames } from "../framed.ts";
import type { Library } from "../types.ts";

const sendsAtATime = 1_000;

export const library: Library = {
  async echoServer() {
    return listen((socket) => {
      const writer = new FramedWriter(socket);
      readFrames(socket, (bodies) => {
        for (const body of bodies) writer.send(body);
      });
    });
  },

  async echoClient(endpoint, { bytes }, onReplies) {
    const socket = await open(endpoint);
    const writer = new FramedWriter(socket);
    count(socket, bytes, onReplies);
    const body = Buffer.alloc(bytes, "x");
    return {
      send(messages) {
        for (let index = 0; index < messages; index++) writer.send(body);
      },
    };
  },

  async sender(_kind, { bytes }) {
    const accepted = Promise.withResolvers<Socket>();
    const endpoint = await listen(accepted.resolve);
    const body = Buffer.alloc(bytes, "x");
    let writer: FramedWriter | undefined;
    return new Stream(endpoint, async () => {
      const socket = await accepted.promise;
      writer ??= new FramedWriter(socket);
      for (let sent = 1; sent <= sendsAtATime; sent++) {
        if (writer.send(body)) continue;
        writer.flush();
        if (!socket.writableNeedDrain) continue;
        await once(socket, "drain");
        return sent;
      }
      await turn();
      return sendsAtATime;
    });
  },

  async receiver(_kind, endpoint, { bytes }, onMessages) {
    count(await open(endpoint), bytes, onMessages);
  },
};

async function listen(onSocket: (socket: Socket) => void): Promise<string> {
  const server = createServer({ noDelay: true }, onSocket).listen(0, "127.0.0.1");
  await once(server, "listening");
  return `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function open(endpoint: string): Promise<Socket> {
  const { hostname, port } = new URL(endpoint.replace("tcp:", "http:"));
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  await once(socket, "connect");
  return socket;
}

function count(socket: Socket, bytes: number, onCount: (count: number) => void): void {
  readFrames(socket, (bodies) => {
    for (const body of bodies) checkSize(body, bytes);
    onCount(bodies.length);
  });
}
