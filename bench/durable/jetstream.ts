// JetStream as its library has it: a work queue, publishes that are acknowledged, with a message id for a key, and a pull consumer.
import { AckPolicy, jetstream, jetstreamManager, RetentionPolicy } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { body, type Line } from "./line.ts";

const name = "raw";

export async function jetstreamRaw(url: string): Promise<Line> {
  const connection = await connect({ servers: url });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name, subjects: [name], retention: RetentionPolicy.Workqueue });
  await manager.consumers.add(name, { durable_name: name, ack_policy: AckPolicy.Explicit });
  const client = jetstream(connection, { timeout: 60_000 });
  return {
    keyed: true,
    publish: (key) => client.publish(name, body, key === undefined ? {} : { msgID: key }),
    async consume(atOnce, handle) {
      const consumer = await client.consumers.get(name, name);
      const messages = await consumer.consume({ max_messages: atOnce });
      const reading = (async () => {
        for await (const message of messages) {
          handle();
          message.ack();
        }
      })();
      return async () => {
        await messages.close();
        await reading;
      };
    },
    close: () => connection.close(),
  };
}
