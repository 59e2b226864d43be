// What two ends say to each other in the matrix, by socket types, and what is tried beyond that.
import { expect } from "vitest";
import type { SocketName, Trial } from "./cases.suite.ts";
import { type End, type Frames } from "./ends.suite.ts";

/** Frames of every size where something changes: empty, one byte, short and long lengths, copied or not, many reads. */
const bodies: readonly Frames[] = [
  [Buffer.from("x")],
  [Buffer.alloc(255, 2)],
  [Buffer.alloc(256, 3)],
  [Buffer.from("a"), Buffer.alloc(0), Buffer.from("b")],
  [Buffer.alloc(0)],
  [Buffer.alloc(8_192, 4), Buffer.alloc(8_193, 5)],
  [Buffer.alloc(300_000, 6), Buffer.alloc(0), Buffer.alloc(1, 7)],
];

function same(got: Frames, sent: Frames): void {
  expect(got.map((frame) => frame.length)).toEqual(sent.map((frame) => frame.length));
  expect(Buffer.concat(got).equals(Buffer.concat(sent))).toBe(true);
}

/** How the ends of such a pair talk. */
export function exchangeOf([first, second]: readonly [SocketName, SocketName]): (one: End, two: End) => Promise<void> {
  if (first === "ROUTER") return routes;
  if (first.endsWith("PUB")) return publishes;
  if (first === "PUSH") return streams;
  return first === "DEALER" && second === "REP" ? envelope : echoes;
}

/** The first asks, the second echoes. */
async function echoes(first: End, second: End): Promise<void> {
  for (const body of bodies) await echo(first, second, body);
}

async function echo(first: End, second: End, body: Frames): Promise<void> {
  const echoed = second.receive().then((message) => second.send(message));
  await first.send(body);
  same(await first.receive(), body);
  await echoed;
}

/** The first sends, the second receives. */
async function streams(first: End, second: End): Promise<void> {
  for (const body of bodies) {
    await first.send(body);
    same(await second.receive(), body);
  }
}

/** Sends until the other end has received it, or one like it: what is sent too early is lost. */
async function sync(first: End, second: End, message: Frames): Promise<Frames> {
  let arrived = false;
  const received = second.receive().then((got) => {
    arrived = true;
    return got;
  });
  const sentAndArrived = async (): Promise<boolean> => {
    await first.send(message).catch(() => undefined);
    return arrived;
  };
  await expect.poll(sentAndArrived, { interval: 5 }).toBe(true);
  return await received;
}

/** As a stream, once the subscription has arrived: libzmq's PUB does not tell. */
async function publishes(first: End, second: End): Promise<void> {
  const early = [Buffer.from("sync")];
  same(await sync(first, second, early), early);
  for (const body of bodies) {
    await first.send(body);
    let message = await second.receive();
    while (message.length === 1 && String(message[0]) === "sync") message = await second.receive();
    same(message, body);
  }
}

/** ROUTERs know each other by id; the first greets until the other, once connected, takes it. */
async function routes(first: End, second: End): Promise<void> {
  const id = Buffer.from("second");
  expect(String((await sync(first, second, [id, Buffer.from("greeting")]))[1])).toBe("greeting");
  await second.send([Buffer.from("first"), Buffer.from("back")]);
  const [from, body] = await first.receive();
  expect([String(from), String(body)]).toEqual(["second", "back"]);
  for (const frames of bodies) {
    await first.send([id, ...frames]);
    let [, ...got] = await second.receive();
    while (String(got[0]) === "greeting") [, ...got] = await second.receive();
    same(got, frames);
  }
}

/** REP needs an empty delimiter, and gives it back. */
async function envelope(first: End, second: End): Promise<void> {
  const delimiter = Buffer.alloc(0);
  for (const body of bodies) await echo(first, second, [delimiter, ...body]);
}

/** How a trial goes: `open` makes an end of it, the one that binds or another. */
interface TrialPlan {
  /** The first connects, the second binds. */
  readonly types: readonly [SocketName, SocketName];
  run(open: { first: () => End; second: () => End }): Promise<void>;
}

const anyPort = "tcp://127.0.0.1:*";

export const plans: Readonly<Record<Trial, TrialPlan>> = {
  large: {
    types: ["DEALER", "ROUTER"],
    run: async ({ first, second }) => {
      const [one, two] = [first(), second()];
      await one.connect(await two.bind(anyPort));
      const pattern = Buffer.from(Array.from({ length: 251 }, (_, n) => n));
      await echo(one, two, [Buffer.alloc(100_000_000, pattern)]);
    },
  },
  reconnects: { types: ["PUSH", "PULL"], run: ({ first, second }) => comesAndGoes(first(), second) },
  subscriptions: { types: ["SUB", "PUB"], run: ({ first, second }) => subscribes(first(), second()) },
  xsubscriptions: { types: ["XSUB", "XPUB"], run: ({ first, second }) => subscribes(first(), second()) },
};

/** What a PULL end had not read when it went is lost with it; what is read is in order, and once. */
async function comesAndGoes(source: End, open: () => End): Promise<void> {
  let endpoint = anyPort;
  let sent = 0;
  let stopped = false;
  const isStopped = (): boolean => stopped;
  const send = async (): Promise<void> => {
    while (!isStopped()) {
      const accepted = await source.offer([Buffer.from(String(sent))]);
      if (accepted) sent++;
      if (!accepted || sent % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  let sending: Promise<void> | undefined;
  const got: number[] = [];
  try {
    for (let round = 0; round < 4; round++) {
      const sink = open();
      const bound = async (): Promise<boolean> => {
        try {
          endpoint = await sink.bind(endpoint);
          return true;
        } catch {
          // libzmq frees a port a while after its socket was closed.
          return false;
        }
      };
      await expect.poll(bound, { interval: 5 }).toBe(true);
      if (sending === undefined) {
        await source.connect(endpoint);
        sending = send();
      }
      for (let n = 0; n < 100; n++) got.push(Number(String((await sink.receive())[0])));
      await sink.close();
    }
  } finally {
    stopped = true;
    await sending;
  }
  expect(got.length).toBe(400);
  expect(got.every((n, index) => index === 0 || n > (got[index - 1] ?? 0))).toBe(true);
  expect(got.at(-1)).toBeLessThan(sent);
}

async function subscribes(reader: End, publisher: End): Promise<void> {
  await reader.subscribe("a.");
  await reader.connect(await publisher.bind(anyPort));
  const topicOf = (message: Frames): string => String(message[0]);
  const heard = async (topic: string): Promise<void> => {
    // Of what was said before, some may still be on its way.
    while (topicOf(await sync(publisher, reader, [Buffer.from(topic), Buffer.from("text")])) !== topic);
  };
  await heard("a.before connecting");
  await reader.subscribe("b.");
  await heard("b.after connecting");
  await reader.unsubscribe("a.");
  // Until the publisher knows: of two messages only the second comes.
  const onlySecond = async (): Promise<boolean> => {
    await publisher.send([Buffer.from("a.taken back")]);
    await publisher.send([Buffer.from("b.end of the round")]);
    const topics = [topicOf(await reader.receive())];
    while (topics.at(-1) !== "b.end of the round") topics.push(topicOf(await reader.receive()));
    return !topics.includes("a.taken back");
  };
  await expect.poll(onlySecond, { interval: 5 }).toBe(true);
}
