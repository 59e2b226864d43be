// Fastify, asked over HTTP/1.1 with keep-alive by Node's own client: POST with the body, answered with the same. A connection
// carries one request at a time, so what is outstanding beyond the connections waits in the agent.
import { Agent, request } from "node:http";
import fastify from "fastify";
import type { Library } from "../types.ts";

/** A pool of a usual size; not tuned. What is outstanding beyond it waits in the agent. */
const connectionsMax = 64;
const contentType = "application/octet-stream";

export const library: Library = {
  async echoServer({ bytes }) {
    const server = fastify({ bodyLimit: Math.max(bytes, 1) });
    server.addContentTypeParser(contentType, { parseAs: "buffer" }, (_request, body, done) => done(null, body));
    server.post("/", (message, reply) => reply.type(contentType).send(message.body));
    return server.listen({ host: "127.0.0.1", port: 0 });
  },

  async echoClient(endpoint, { bytes }, onReplies) {
    const agent = new Agent({ keepAlive: true, maxSockets: connectionsMax, noDelay: true });
    const { hostname, port } = new URL(endpoint);
    const body = Buffer.alloc(bytes, "x");
    const options = {
      agent,
      hostname,
      port,
      method: "POST",
      headers: { "content-type": contentType, "content-length": bytes },
    };
    const ask = (): void => {
      const asked = request(options, (response) => {
        let received = 0;
        response.on("data", (chunk: Buffer) => (received += chunk.length));
        response.on("end", () => {
          if (response.statusCode !== 200 || received !== bytes)
            throw new Error(`expected 200 and ${bytes} bytes, got ${response.statusCode} and ${received}`);
          onReplies(1);
        });
      });
      asked.end(body);
    };
    return {
      send(count) {
        for (let index = 0; index < count; index++) ask();
      },
    };
  },
};
