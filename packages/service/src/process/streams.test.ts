// Streams and events of real processes over real sockets: rolled, killed, and read slowly.
import { afterEach, describe, expect, test } from "vitest";
import { connect } from "../client/connect.ts";
import { ServiceError } from "../errors.ts";
import { streamConnectionBytesMax, streamWindowBytes } from "../limits.ts";
import { type Child, startChild, stopChildren } from "../testing/child.ts";

const program = `import { method, run, service, unchecked } from "@wherry/service";
const made = { small: 0, big: 0 };
await run(service("feed", {
  topics: { tick: unchecked<number>() },
  methods: {
    made: { idempotent: true, handler: () => made },
    tick: (n: number, { publish }) => publish("tick", n),
    watch: method({
      stream: "out",
      endless: true,
      async *handler({ from }: { from: number }) {
        for (let n = from; ; n++) { yield { n, pid: process.pid }; await new Promise((resolve) => setTimeout(resolve, 1)); }
      },
    }),
    copy: method({
      stream: "both",
      async *handler(items: AsyncIterableIterator<number>) { for await (const item of items) yield item; return "done"; },
    }),
    small: method({ stream: "out", *handler() { for (;;) { made.small++; yield new Uint8Array(${streamWindowBytes / 4}); } } }),
    big: method({ stream: "out", *handler() { for (;;) { made.big++; yield new Uint8Array(1024 * 1024); } } }),
  },
}));`;

afterEach(stopChildren);

async function feeds(count: number) {
  const children = Array.from({ length: count }, () => startChild({ program }));
  const endpoints = (await Promise.all(children.map(({ listening }) => listening))).map(({ endpoint }) => endpoint);
  const client = connect("feed", { endpoints });
  await expect.poll(() => client.counters.available).toBe(count);
  return { children, client };
}

const pidOf = (children: readonly Child[], pid: number): Child => {
  const child = children.find(({ process }) => process.pid === pid);
  if (child === undefined) throw new Error(`no child ${pid}`);
  return child;
};

describe("a rollout", () => {
  test("ends an endless stream retryable, its reader goes on at another pod from where it was, and the pod ends well", async () => {
    const { children, client } = await feeds(2);
    const got: number[] = [];
    const pids = new Set<number>();
    for (let opened = 0; got.length < 400 && opened < 10; opened++) {
      try {
        const watch = client.stream("watch", { from: got.length + 1 });
        for await (const item of watch) {
          const { n, pid } = item as { n: number; pid: number };
          pids.add(pid);
          got.push(n);
          if (got.length === 100) pidOf(children, pid).process.kill("SIGTERM");
          if (got.length === 400) break;
        }
      } catch (error) {
        if (!ServiceError.is(error, "ABORTED")) throw error;
        expect(error).toMatchObject({ retryable: true, fate: "maybe-executed", details: { leaving: true } });
      }
    }
    expect(got).toEqual(Array.from({ length: 400 }, (_, index) => index + 1));
    expect(pids.size).toBe(2);
    const [first = 0] = pids;
    expect(await pidOf(children, first).exit).toEqual({ code: 0, signal: null });
    await client.close();
  });

  test("waits for a stream that ends by itself", async () => {
    const { children, client } = await feeds(1);
    const [child] = children;
    const { promise: goOn, resolve } = Promise.withResolvers<undefined>();
    async function* items() {
      yield 1;
      await goOn;
      yield 2;
    }
    const copy = client.stream("copy", items());
    expect(await copy.next()).toEqual({ done: false, value: 1 });
    child?.process.kill("SIGTERM");
    await expect.poll(() => client.counters.available).toBe(0);
    resolve(undefined);
    expect(await copy.next()).toEqual({ done: false, value: 2 });
    expect(await copy.next()).toEqual({ done: true, value: undefined });
    expect(await copy.result).toBe("done");
    expect(await child?.exit).toEqual({ code: 0, signal: null });
    await client.close();
  });
});

test("a killed process: its stream is ABORTED, a subscriber goes on with the others and whoever comes after", async () => {
  const { children, client } = await feeds(2);
  const events = client.subscribe("tick");
  await expect
    .poll(async () => new Set(await Promise.all(Array.from({ length: 8 }, () => client.call("tick", 0)))))
    .toEqual(new Set(["sent"]));
  const watch = client.stream("watch", { from: 1 });
  const { pid } = (await watch.next()).value as { pid: number };
  pidOf(children, pid).process.kill("SIGKILL");
  await expect(
    (async () => {
      for await (const item of watch) expect(item).toBeDefined();
    })(),
  ).rejects.toMatchObject({ code: "ABORTED", fate: "maybe-executed" });
  await expect.poll(() => client.counters.available).toBe(1);
  expect(await client.call("tick", 99)).toBe("sent");
  let last: unknown;
  while (last !== 99) last = ((await events.next()).value as { event: unknown }).event;
  await client.close();
});

describe("a reader that doesn't read", () => {
  test("holds up its generator, and nothing else", async () => {
    const { client } = await feeds(1);
    const stream = client.stream("small");
    await stream.next();
    // One was taken; that is less than half a window, and grants nothing.
    await expect.poll(() => client.call("made")).toMatchObject({ small: 4 });
    for (let call = 0; call < 50; call++) expect(await client.call("made")).toMatchObject({ small: 4 });
    await stream.next();
    await expect.poll(() => client.call("made")).toMatchObject({ small: 6 });
    await client.close();
  });

  test("of many streams makes the service hold no more than one connection may", async () => {
    const { client } = await feeds(1);
    const streams = Array.from({ length: 60 }, () => client.stream("big"));
    const megabytes = streamConnectionBytesMax / 1024 / 1024;
    await expect.poll(() => client.call("made")).toMatchObject({ big: megabytes });
    for (let call = 0; call < 50; call++) expect(await client.call("made")).toMatchObject({ big: megabytes });
    // Those who are read go on, whoever else is not.
    for (const stream of streams) expect((await stream.next()).value).toHaveLength(1024 * 1024);
    await client.close();
  });
});
