// @wherry/zmtp: a DEALER asks a ROUTER, and the one-way patterns. Messages are taken a wake-up's worth at a time, the package's fast form. Plain, and with
// what it offers to those who want more: busy polling, and memory that is given back.
import { setImmediate as turn } from "node:timers/promises";
import {
  dealer,
  publisher,
  pull,
  push,
  recycle,
  type Message,
  type ReceivingSocket,
  router,
  type Security,
  type SocketOptions,
  subscriber,
} from "@wherry/zmtp";
import { checkSize, Stream } from "../driver.ts";
import type { Library, Setup } from "../types.ts";

/** An echo holds all that is outstanding in one queue or another: up to 1000 messages, 64 MiB. The defaults are 1000 and 16 MiB. */
const echoLimits = {
  peerQueueMessagesMax: 2_000,
  peerQueueBytesMax: 268_435_456,
  busyPollUs: Number(process.env["BP"] ?? 0),
};
/** Given to a sending socket at a time, at most; both its queue's default limits hold as much. */
const batchBytesMax = 1_048_576;
const batchMessagesMax = 1_000;

interface Extras {
  /** A socket option. */
  readonly busyPollUs?: number;
  /** Is the memory of what was received given back, once it was looked at, or sent? */
  readonly recycles?: boolean;
}

export const library: Library = libraryOf({});
export const busyPolling: Library = libraryOf({ busyPollUs: 200 });
export const recycling: Library = libraryOf({ recycles: true });

function libraryOf({ busyPollUs = 0, recycles = false }: Extras): Library {
  const done = (message: Message): void => {
    if (recycles) recycle(message);
  };
  return {
    async echoServer(setup) {
      const socket = router({ ...echoLimits, busyPollUs, ...(await securityOf(setup, "server")) });
      socket.onMessages((messages) => {
        for (const message of messages) {
          mustBeSent(socket.send(message));
          done(message);
        }
        return undefined;
      });
      return socket.bind("tcp://127.0.0.1:*");
    },

    async echoClient(endpoint, setup, onReplies) {
      const socket = dealer({ ...echoLimits, busyPollUs, ...(await securityOf(setup, "client")) });
      listen(socket, setup.bytes, done, onReplies);
      socket.connect(endpoint);
      await socket.writable();
      const body = Buffer.alloc(setup.bytes, "x");
      return {
        send(count) {
          for (let index = 0; index < count; index++) mustBeSent(socket.send(body));
        },
      };
    },

    async sender(kind, { bytes }) {
      const socket = kind === "pub" ? publisher({ onSlow: "refuse" }) : push();
      const endpoint = await socket.bind("tcp://127.0.0.1:*");
      const body = Buffer.alloc(bytes, "x");
      const length = Math.max(1, Math.min(batchMessagesMax, Math.floor(batchBytesMax / bytes)));
      const batch = Array.from({ length }, () => body);
      return new Stream(endpoint, async () => {
        // Before the first: somebody has connected, and subscribed.
        await socket.writable();
        const { accepted } = socket.sendBatch(batch);
        if (accepted === length) await turn();
        return accepted;
      });
    },

    async receiver(kind, endpoint, { bytes }, onMessages) {
      const socket = kind === "sub" ? subscriber() : pull();
      if ("subscribe" in socket) socket.subscribe("");
      listen(socket, bytes, done, onMessages);
      const { promise, resolve } = Promise.withResolvers<undefined>();
      socket.on("connect", () => resolve(undefined));
      socket.connect(endpoint);
      await promise;
    },
  };
}

function listen(
  socket: ReceivingSocket,
  bytes: number,
  done: (message: Message) => void,
  onCount: (count: number) => void,
): void {
  socket.onMessages((messages) => {
    for (const message of messages) {
      checkSize(message[0], bytes);
      done(message);
    }
    onCount(messages.length);
    return undefined;
  });
}

function mustBeSent(result: string): void {
  if (result !== "sent") throw new Error(`expected the message to be sent, the answer was ${result}`);
}

async function securityOf({ curve }: Setup, side: "server" | "client"): Promise<Pick<SocketOptions, "security">> {
  if (curve === undefined) return {};
  const { allowKeys, curveClient, curveServer } = await import("@wherry/zmtp/curve");
  const security: Security =
    side === "server"
      ? curveServer({ ...curve.server, authenticate: allowKeys([curve.client.publicKey]) })
      : curveClient({ ...curve.client, serverKey: curve.server.publicKey });
  return { security };
}
