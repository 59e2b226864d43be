// What `send` accepted arrives once, in each connection's order: whatever the sizes, the limits, the reader's pace, and whoever closes
// connections in order meanwhile.
import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { expect, it } from "vitest";
import { until } from "./harness.suite.ts";
import { dealer, type Message, router, type RouterSocket, type Socket, type SocketOptions } from "./index.ts";

type Reading = "one by one" | "in batches" | "by callback" | "by callback, with pauses";

interface Send {
  readonly do: "send";
  readonly client: number;
  readonly count: number;
  readonly bytes: number;
}
type Step =
  | Send
  | { readonly do: "client closes" | "server closes"; readonly client: number }
  | { readonly do: "wait"; readonly turns: number };

const anyClient = fc.nat(2);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("send" as const),
      client: anyClient,
      count: fc.integer({ min: 1, max: 40 }),
      bytes: fc.constantFrom(0, 1, 240, 300, 8_180, 8_200, 70_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom("client closes" as const, "server closes" as const),
      client: anyClient,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), turns: fc.integer({ min: 1, max: 5 }) }) },
);

const plan = fc.record({
  transport: fc.constantFrom("tcp://127.0.0.1:*", "inproc://delivery"),
  reading: fc.constantFrom<Reading>("one by one", "in batches", "by callback", "by callback, with pauses"),
  limits: fc.record<SocketOptions>({
    peerReceiveQueueMessagesMax: fc.constantFrom(1, 3, 1_000),
    peerReceiveQueueBytesMax: fc.constantFrom(1, 10_000, 1e8),
    receiveQueueMessagesMax: fc.constantFrom(1, 5, 1_000),
  }),
  steps: fc.array(step, { maxLength: 25 }),
});

/** Once lost: a socket that closed an `inproc` connection whose messages its own reader could not take yet threw them away. */
const readerBehindAnInprocThatCloses = {
  transport: "inproc://delivery" as const,
  reading: "one by one" as const,
  limits: { peerReceiveQueueMessagesMax: 1, peerReceiveQueueBytesMax: 1, receiveQueueMessagesMax: 1 },
  steps: [
    { do: "server closes", client: 0 },
    { do: "send", client: 0, count: 2, bytes: 0 },
    { do: "server closes", client: 1 },
    { do: "send", client: 1, count: 1, bytes: 0 },
  ] satisfies Step[] as Step[],
};

/** `client connection number`, behind the sender's routing id. */
function read(server: RouterSocket, reading: Reading, got: string[]): void {
  const take = (messages: readonly Message[]): void => {
    for (const [, label] of messages) got.push(String(label));
  };
  const loop = async (): Promise<void> => {
    if (reading === "one by one")
      for await (const message of server) {
        take([message]);
        if (got.length % 7 === 0) await nextTurn();
      }
    else for await (const batch of server.batches()) take(batch);
  };
  if (reading === "one by one" || reading === "in batches") void loop();
  else
    server.onMessages((messages) => {
      take(messages);
      if (reading === "by callback") return undefined;
      setImmediate(() => server.resume());
      return false;
    });
}

it("every message that was accepted comes once, in order", async () => {
  await fc.assert(
    fc.asyncProperty(plan, async ({ transport, reading, limits, steps }) => {
      const server = router(limits);
      const clients = [0, 1, 2].map((n) =>
        dealer({ routingId: `client ${n}`, peerQueueMessagesMax: 20, reconnect: { firstMs: 1, maxMs: 2 } }),
      );
      try {
        const got: string[] = [];
        read(server, reading, got);
        const endpoint = await server.bind(transport);
        for (const each of clients) each.connect(endpoint);
        for (const each of clients) await each.writable(AbortSignal.timeout(60_000));
        const expected = new Map<string, number>();
        for (const each of steps) await take(each, server, clients, expected);
        const left = await Promise.all(clients.map((each) => each.close({ lingerMs: 60_000 })));
        expect(left.map(({ undelivered }) => undelivered)).toEqual([0, 0, 0]);
        const sent = [...expected.values()].reduce((sum, count) => sum + count, 0);
        await until(() => got.length >= sent);
        await server.close({ lingerMs: 60_000 });
        for (const [connection, count] of expected)
          expect(got.filter((label) => label.startsWith(`${connection} `))).toEqual(
            Array.from({ length: count }, (_, n) => `${connection} ${n}`),
          );
        expect(got.length).toBe(sent);
      } finally {
        await Promise.all([server, ...clients].map((each) => each.close({ lingerMs: 0 })));
      }
    }),
    { numRuns: 60, examples: [[readerBehindAnInprocThatCloses]] },
  );
});

async function take(
  step: Step,
  server: RouterSocket,
  clients: readonly Socket[],
  expected: Map<string, number>,
): Promise<void> {
  if (step.do === "wait") for (let turn = 0; turn < step.turns; turn++) await nextTurn();
  else if (step.do === "send") send(clients[step.client] as Socket, step, expected);
  else if (step.do === "client closes")
    for (const peer of clients[step.client]?.peers.values() ?? []) peer.close("rotate", { lingerMs: 60_000 });
  else server.peer(Buffer.from(`client ${step.client}`))?.close("rotate", { lingerMs: 60_000 });
}

/** What was accepted is counted, by client and connection. */
function send(socket: Socket, { client, count, bytes }: Send, expected: Map<string, number>): void {
  const [peer] = socket.peers.values();
  if (peer === undefined) {
    expect(socket.send("x")).toBe("no-peer");
    return;
  }
  const connection = `${client} ${peer.id}`;
  for (let n = 0; n < count; n++) {
    const next = expected.get(connection) ?? 0;
    if (socket.send([`${connection} ${next}`, Buffer.alloc(bytes)]) !== "sent") return;
    expected.set(connection, next + 1);
  }
}
