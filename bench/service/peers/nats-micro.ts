// NATS' services framework over a nats-server (Debian: nats-server) that the child of the service starts: bytes as they are.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { connect } from "nats";
import { checkSize } from "../../zmtp/driver.ts";
import type { Library } from "../../zmtp/types.ts";

/** A request with its reply. */
const timeout = 10_000;

async function startServer(): Promise<string> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  probe.close();
  await once(probe, "close");
  const server = spawn("nats-server", ["-a", "127.0.0.1", "-p", String(port)], { stdio: ["ignore", "ignore", "pipe"] });
  process.once("exit", () => server.kill("SIGKILL"));
  process.once("SIGTERM", () => process.exit(0));
  for await (const line of createInterface({ input: server.stderr }))
    if (line.includes("Server is ready")) return `127.0.0.1:${port}`;
  throw new Error("nats-server did not start");
}

export const library: Library = {
  async echoServer() {
    const servers = await startServer();
    const connection = await connect({ servers });
    const service = await connection.services.add({ name: "echo", version: "1.0.0" });
    service.addEndpoint("echo", (error, message) => {
      if (error === null) message.respond(message.data);
    });
    await connection.flush();
    return servers;
  },

  async echoClient(endpoint, { bytes }, onReplies) {
    const connection = await connect({ servers: endpoint });
    const body = Buffer.alloc(bytes, "x");
    return {
      send(count) {
        for (let index = 0; index < count; index++)
          void connection.request("echo", body, { timeout }).then(({ data }) => {
            checkSize(data, bytes);
            onReplies(1);
          });
      },
    };
  },
};
