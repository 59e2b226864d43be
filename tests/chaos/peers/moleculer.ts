// Moleculer over NATS, its usual transporter; tracking and a graceful stop are switched on, since they are off by default. The server is
// named by PEER_NATS.
import { createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { type BrokerOptions, ServiceBroker } from "moleculer";
import { deadlineMs, type Peer, workMs } from "./types.ts";

const options = (nodeID: string): BrokerOptions => ({
  nodeID,
  logger: false,
  requestTimeout: deadlineMs,
  tracking: { enabled: true, shutdownTimeout: 5_000 },
  transporter: { type: "NATS", options: { url: process.env["PEER_NATS"] ?? "" } },
});

export const peer: Peer = {
  async serve(host, port) {
    const broker = new ServiceBroker(options(process.env["POD_NAME"] ?? ""));
    broker.createService({
      name: "ledger",
      actions: {
        work: async ({ params }: { readonly params: { readonly id: number } }) => {
          await pause(workMs);
          return params.id;
        },
      },
    });
    await broker.start();
    // Only to be found ready: requests come through NATS.
    createServer((socket) => socket.destroy()).listen(port, host);
  },

  async connect() {
    const broker = new ServiceBroker(options(`caller-${process.pid}`));
    await broker.start();
    return {
      async call(id) {
        if ((await broker.call("ledger.work", { id })) !== id) throw new Error("another answer");
      },
      close: () => broker.stop(),
    };
  },
};
