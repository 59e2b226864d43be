// Moleculer over its TCP transporter: the caller's broker knows the service's address. Its defaults, and a validated parameter.
import { createServer } from "node:net";
import { once } from "node:events";
import { type BrokerOptions, ServiceBroker } from "moleculer";
import type { Library } from "../../zmtp/types.ts";

interface Params {
  readonly text: string;
}

const frameBytes = 11;

function options(nodeID: string, port: number, urls: string): BrokerOptions {
  return { nodeID, logger: false, transporter: { type: "TCP", options: { udpDiscovery: false, port, urls } } };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

export const library: Library = {
  async echoServer() {
    const port = await freePort();
    const broker = new ServiceBroker(options("server", port, ""));
    broker.createService({
      name: "echo",
      actions: { echo: { params: { text: "string" }, handler: ({ params }: { readonly params: Params }) => params } },
    });
    await broker.start();
    return `tcp://127.0.0.1:${port}`;
  },

  async echoClient(endpoint, { bytes }, onReplies) {
    const broker = new ServiceBroker(options("client", await freePort(), `${endpoint}/server`));
    await broker.start();
    await broker.waitForServices("echo");
    const text = "x".repeat(bytes - frameBytes);
    const onReply = (reply: unknown): void => {
      if ((reply as Params).text.length !== text.length) throw new Error("another body came back");
      onReplies(1);
    };
    return {
      send(count) {
        for (let index = 0; index < count; index++) void broker.call("echo.echo", { text }).then(onReply);
      },
    };
  },
};
