// Fastify behind the Service, called over HTTP keep-alive by Node's own fetch; at SIGTERM `close()`, as its documentation advises.
import { setTimeout as pause } from "node:timers/promises";
import fastify from "fastify";
import { type Peer, within, workMs } from "./types.ts";

export const peer: Peer = {
  async serve(host, port) {
    const app = fastify();
    app.post("/", async (request) => {
      await pause(workMs);
      return request.body;
    });
    process.once("SIGTERM", () => void app.close().then(() => process.exit(0)));
    await app.listen({ host, port });
  },

  async connect(address) {
    const headers = { "content-type": "application/json" };
    return {
      async call(id) {
        await within(
          (async () => {
            const response = await fetch(`http://${address}/`, {
              method: "POST",
              headers,
              body: JSON.stringify({ id }),
            });
            const { id: answered } = (await response.json()) as { readonly id?: number };
            if (answered !== id) throw new Error(`status ${response.status}`);
          })(),
        );
      },
      close: () => undefined,
    };
  },
};
