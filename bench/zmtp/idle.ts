// Ten thousand peers that say hello and then nothing: raw connections, which cost this side little, that shake hands as a DEALER with NULL would
// (RFC 23), so that the same clients serve for every ZMTP server.
import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** Connecting at a time: fewer than the shortest backlog of a listener (libzmq's, 100). */
const connectingMax = 50;

const greeting = Buffer.alloc(64);
greeting.set([0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1]);
greeting.write("NULL", 12);
const body = Buffer.concat([Buffer.from("\x05READY"), property("Socket-Type", "DEALER"), property("Identity", "")]);
const hello = Buffer.concat([greeting, Buffer.from([4, body.length]), body]);

/** Returns when all have connected and, with ZMTP, when each has seen the server's READY. */
export async function idleClients(library: string, endpoint: string, connections: number): Promise<void> {
  const { hostname, port } = new URL(endpoint.replace("tcp:", "http:"));
  let next = 0;
  const open = async (): Promise<void> => {
    while (next < connections) {
      next++;
      const socket = connect({ host: hostname, port: Number(port), noDelay: true });
      await once(socket, "connect");
      if (library !== "node:net") await handshake(socket);
      // The connections stay; nothing is to come any more.
      socket.resume();
    }
  };
  await Promise.all(Array.from({ length: connectingMax }, open));
}

async function handshake(socket: Socket): Promise<void> {
  socket.write(hello);
  let received = 0;
  while (received <= greeting.length + 2) {
    const [chunk] = (await once(socket, "data")) as [Buffer];
    received += chunk.length;
  }
}

function property(name: string, value: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(value.length);
  return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), length, Buffer.from(value)]);
}
