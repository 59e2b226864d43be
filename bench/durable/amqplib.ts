// amqplib as its guide has it: a quorum queue, a confirm channel, a consumer that acknowledges. It has no keys.
import { asError } from "@wherry/core";
import { connect } from "amqplib";
import { body, type Line } from "./line.ts";

const queue = "raw";

export async function amqplibRaw(url: string): Promise<Line> {
  const connection = await connect(url);
  const publisher = await connection.createConfirmChannel();
  await publisher.assertQueue(queue, { durable: true, arguments: { "x-queue-type": "quorum" } });
  return {
    keyed: false,
    publish: () =>
      new Promise<void>((resolve, reject) => {
        publisher.sendToQueue(queue, body, { persistent: true }, (error: unknown) => {
          if (error === null) resolve();
          else reject(asError(error));
        });
      }),
    async consume(atOnce, handle) {
      const channel = await connection.createChannel();
      await channel.prefetch(atOnce);
      await channel.consume(queue, (message) => {
        if (message === null) return;
        handle();
        channel.ack(message);
      });
      return () => channel.close();
    },
    close: () => connection.close(),
  };
}
