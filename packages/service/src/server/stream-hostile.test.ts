// Peers that send the messages of streams and topics wrongly: their connection ends with a reason, nobody else's, and nothing throws.
import { silentLogger } from "@wherry/core";
import { VirtualClock } from "@wherry/core/testing";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { contentType, type MessageType, messageType } from "../protocol/codes.ts";
import { type Decoded, decode, encode } from "../protocol/frames.ts";
import { method, service } from "../define.ts";
import { type MemoryDealer, MemoryNetwork } from "../testing/memory-network.ts";
import { unchecked } from "../topic.ts";
import type { Ending } from "./hand-back.ts";
import { equip } from "./serve.ts";
import { Server } from "./server.ts";

const servers: Server[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const feed = service("feed", {
  streamsMax: 5,
  topics: { price: unchecked<number>() },
  methods: {
    echo: (body: unknown) => body,
    count: method({ stream: "out", handler: (to: number) => Array.from({ length: Math.min(9, to) }, (_, n) => n) }),
    sum: method({
      stream: "in",
      handler: async (items: AsyncIterableIterator<number>) => {
        let total = 0;
        for await (const item of items) total += item;
        return total;
      },
    }),
  },
});

async function start() {
  const network = new MemoryNetwork();
  const router = network.router();
  const crashes: Ending[] = [];
  const onCrash = (ending: Ending): unknown => crashes.push(ending);
  const server = new Server(router, feed, { clock: new VirtualClock(), log: silentLogger, instance: "uid-1", onCrash });
  servers.push(server);
  await equip(server);
  await server.listen("tcp://feed");
  const peer = async (): Promise<{ socket: MemoryDealer; got: Decoded[]; gone: () => boolean }> => {
    const socket = network.dealer();
    const got: Decoded[] = [];
    let gone = false;
    socket.onMessages((messages) => {
      for (const message of messages) {
        const decoded = decode(message);
        if (typeof decoded !== "string") got.push(decoded);
      }
      return undefined;
    });
    socket.on("disconnect", () => (gone = true));
    socket.connect("tcp://feed");
    await expect.poll(() => socket.connection).toBeDefined();
    socket.send(encode(messageType.hello, { texts: ["hostile"] }));
    return { socket, got, gone: () => gone };
  };
  return { server, peer, crashes };
}

const body = Buffer.from("1");
const item = (id: number, number: number): Uint8Array[] =>
  encode(messageType.item, { id, number, content: contentType.json }, body);
const open = (id: number, name: string): Uint8Array[] =>
  encode(messageType.open, { id, mark: 1, texts: [name, "", ""], content: contentType.json }, body);

describe("a peer's connection ends, with a count, for", () => {
  test.each<[string, readonly (readonly Uint8Array[])[]]>([
    ["an item before its stream was granted any: the second of two places", [open(1, "sum"), item(1, 2)]],
    [
      "an item of a stream that takes none",
      [encode(messageType.open, { id: 1, texts: ["count", "", ""] }), item(1, 1)],
    ],
    ["an item after END", [open(1, "sum"), encode(messageType.end, { id: 1 }), item(1, 1)]],
    ["an id that is outstanding", [open(1, "sum"), open(1, "sum")]],
    ["more items than were granted", [open(1, "sum"), ...Array.from({ length: 1000 }, (_, n) => item(1, n + 1))]],
    ["a service's message", [encode(messageType.event, { texts: ["price"], content: contentType.json }, body)]],
    ["STOP, which is the service's", [open(1, "sum"), encode(messageType.stop, { id: 1 })]],
  ])("%s", async (_what, messages) => {
    const { server, peer, crashes } = await start();
    const hostile = await peer();
    const other = await peer();
    for (const message of messages) hostile.socket.send(message);
    await expect.poll(hostile.gone).toBe(true);
    expect(server.metrics.faults["protocol-violation"]).toBe(1);
    await expect.poll(() => server.streams?.running.size).toBe(0);
    other.socket.send(open(7, "sum"));
    for (const message of [item(7, 1), item(7, 2), encode(messageType.end, { id: 7 })]) other.socket.send(message);
    await expect.poll(() => other.got.at(-1)?.header).toMatchObject({ type: messageType.reply, id: 7 });
    expect(crashes).toEqual([]);
  });
});

test("what means nothing is ignored: messages of streams that are over, and a grant of nothing", async () => {
  const { server, peer } = await start();
  const client = await peer();
  const { grant, end, cancel, unsubscribe } = messageType;
  for (const message of [
    ...[encode(grant, { id: 9, mark: 5, number: 5 }), encode(end, { id: 9 }), encode(cancel, { id: 9 }), item(9, 1)],
    ...[encode(unsubscribe, { texts: ["price"] }), encode(unsubscribe, { texts: ["nothing"] })],
    ...[open(1, "sum"), encode(grant, { id: 1 }), item(1, 1), encode(end, { id: 1 })],
  ])
    client.socket.send(message);
  await expect.poll(() => client.got.at(-1)?.header).toMatchObject({ type: messageType.reply, id: 1 });
  expect(server.metrics.faults["protocol-violation"]).toBe(0);
});

test("what there isn't is answered: no such stream, no stream, no such topic", async () => {
  const { peer } = await start();
  const client = await peer();
  for (const message of [
    ...[open(1, "nothing"), open(2, "echo")],
    encode(messageType.subscribe, { id: 3, texts: ["slod"] }),
  ])
    client.socket.send(message);
  await expect
    .poll(() => client.got.slice(1).map(({ header }) => [header.id, header.texts[0]]))
    .toEqual([
      [1, "NOT_FOUND"],
      [2, "INVALID"],
      [3, "NOT_FOUND"],
    ]);
});

test("an item that is no JSON ends its stream as INVALID, and not its connection", async () => {
  const { peer } = await start();
  const client = await peer();
  client.socket.send(open(1, "sum"));
  client.socket.send(encode(messageType.item, { id: 1, number: 1, content: contentType.json }, Buffer.from("{no")));
  await expect.poll(() => client.got.at(-1)?.header).toMatchObject({ type: messageType.error, texts: ["INVALID"] });
  client.socket.send(open(2, "sum"));
  client.socket.send(encode(messageType.end, { id: 2 }));
  await expect.poll(() => client.got.at(-1)?.header).toMatchObject({ type: messageType.reply, id: 2 });
});

test("any messages in any order: nothing throws, no handler is left, and the next peer is served", async () => {
  const types = Object.values(messageType).filter((type) => type >= messageType.open || type === messageType.cancel);
  const bodied = new Set<number>([messageType.open, messageType.item, messageType.event]);
  const texts: Record<number, number> = { 12: 3, 17: 1, 18: 1, 19: 1, 20: 1 };
  const message = fc.constantFrom<MessageType>(...types).chain((type) =>
    fc.record({
      type: fc.constant(type),
      id: fc.integer({ min: 0, max: 3 }),
      mark: fc.integer({ min: 0, max: 255 }),
      number: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.constant(0xffffffff)),
      texts: fc.array(fc.constantFrom("sum", "count", "echo", "price", "$describe", "", "x".repeat(255)), {
        minLength: texts[type] ?? 0,
        maxLength: texts[type] ?? 0,
      }),
      body: bodied.has(type)
        ? fc.option(fc.constantFrom(Buffer.from("1"), Buffer.from("{no"), Buffer.alloc(0)), { nil: undefined })
        : fc.constant(undefined),
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 40 }), async (messages) => {
      const { server, peer, crashes } = await start();
      const hostile = await peer();
      for (const { type, body: itsBody, ...fields } of messages)
        hostile.socket.send(encode(type, { ...fields, content: contentType.json }, itsBody));
      const next = await peer();
      next.socket.send(open(1, "count"));
      await expect
        .poll(() =>
          next.got.some(
            ({ header }) =>
              header.type === messageType.reply ||
              header.type === messageType.error ||
              header.type === messageType.grant,
          ),
        )
        .toBe(true);
      hostile.socket.disconnect();
      next.socket.disconnect();
      await expect.poll(() => server.streams?.running.size).toBe(0);
      expect(crashes).toEqual([]);
      expect(server.topics?.all.get("price")?.subscribers.size).toBe(0);
    }),
    { numRuns: 60 },
  );
});
