// @wherry/service with everything on: a schema for body and reply, deadline, credit, idempotency declared, metrics, trace context. The
// body is an object whose JSON has the row's size.
import { connect, method, serve, service } from "@wherry/service";
import { z } from "zod";
import type { Library } from "../../zmtp/types.ts";

const body = z.object({ text: z.string() });
/** `{"text":""}` */
const frameBytes = 11;
const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

const echo = service("echo", {
  methods: { echo: method({ idempotent: true, input: body, output: body, handler: (value) => value }) },
});

export const library: Library = {
  async echoServer() {
    return (await serve(echo)).endpoint;
  },

  async echoClient(endpoint, { bytes }, onReplies) {
    const client = connect<typeof echo>("echo", { endpoints: [endpoint] });
    const text = "x".repeat(bytes - frameBytes);
    const message = { text };
    const options = { trace };
    await client.echo(message, options);
    const onReply = (reply: { readonly text: string }): void => {
      if (reply.text.length !== text.length)
        throw new Error(`expected ${text.length} characters, got ${reply.text.length}`);
      onReplies(1);
    };
    return {
      send(count) {
        for (let index = 0; index < count; index++) void client.echo(message, options).then(onReply);
      },
    };
  },
};
