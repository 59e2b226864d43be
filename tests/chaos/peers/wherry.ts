// @wherry/service: `wherry` calls an idempotent method, `wherry-plain` one that may not be repeated.
import { setTimeout as pause } from "node:timers/promises";
import { connect, method, run, service } from "@wherry/service";
import { deadlineMs, type Peer, workMs } from "./types.ts";

const work = async (id: number): Promise<number> => {
  await pause(workMs);
  return id;
};

export const peer = (idempotent: boolean): Peer => ({
  async serve() {
    const options = { concurrency: 20, methods: { work: method({ idempotent, handler: work }) } };
    await run(service("ledger", options), { argv: [] });
  },

  async connect() {
    const client = connect("ledger", { deadlineMs });
    return {
      async call(id) {
        if ((await client.call("work", id)) !== id) throw new Error("another answer");
      },
      close: () => client.close(),
    };
  },
});
