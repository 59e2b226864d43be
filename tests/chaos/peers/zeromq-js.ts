// zeromq.js as the talk writes a service: a ROUTER, a loop, whole messages; at SIGTERM it finishes what is queued and returns. The
// caller is a DEALER on the Service's address, as any long-lived connection.
import { setTimeout as pause } from "node:timers/promises";
import { Dealer, Router } from "zeromq";
import { type Peer, within, workMs } from "./types.ts";

export const peer: Peer = {
  async serve(host, port) {
    const socket = new Router({ linger: 5_000 });
    await socket.bind(`tcp://${host}:${port}`);
    let leaving = false;
    const isLeaving = (): boolean => leaving;
    process.once("SIGTERM", () => {
      leaving = true;
      // What is queued is read at once; after that nothing more comes within this time.
      socket.receiveTimeout = 200;
    });
    for (;;) {
      try {
        const message = await socket.receive();
        await pause(workMs);
        await socket.send(message);
      } catch (error) {
        if (!isLeaving()) throw error;
        socket.close();
        return;
      }
      if (isLeaving()) socket.receiveTimeout = 200;
    }
  },

  async connect(address) {
    const socket = new Dealer({ linger: 0 });
    socket.connect(`tcp://${address}`);
    const open = new Map<number, () => void>();
    let sending = Promise.resolve();
    void (async () => {
      for await (const [id] of socket) {
        open.get(Number(id))?.();
        open.delete(Number(id));
      }
    })();
    return {
      async call(id) {
        const { promise, resolve } = Promise.withResolvers<undefined>();
        open.set(id, () => resolve(undefined));
        // One send at a time is all that the binding allows.
        sending = sending.then(() => socket.send(String(id)));
        await within(promise).finally(() => open.delete(id));
      },
      close: () => socket.close(),
    };
  },
};
