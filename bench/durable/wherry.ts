// Durable calls as anybody makes them: a client that publishes, and a service that runs them.
import { connect, method, serve, service } from "@wherry/service";
import { body, type Line } from "./line.ts";

export async function wherry(broker: string): Promise<Line> {
  const client = connect("bench", { endpoints: [], durable: ["work"], broker, deadlineMs: 60_000 });
  return {
    keyed: true,
    publish: (key) => client.call("work", body, key === undefined ? {} : { key }),
    async consume(concurrency, handle) {
      const work = method({ durable: true, handler: () => handle() });
      const { server } = await serve(service("bench", { concurrency, methods: { work } }), { broker });
      return () => server.drain({ timeoutMs: 10_000, minimumMs: 0 });
    },
    close: () => client.close(),
  };
}
