// Streams over HTTP whose two ends are not equally fast, or do not stay: slow readers and handlers, clients that leave, services that
// leave.
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { describe, expect, test } from "vitest";
import { ServiceError } from "../errors.ts";
import { streamWindowItems } from "../limits.ts";
import { method } from "../define.ts";
import type { StreamContext } from "../stream/types.ts";
import { asEvents, linesOf, listen, open, start } from "./stream.suite.ts";

/** Waits until a count stands still: whoever counts is stopped, and not just slow. */
async function standsStill(count: () => number): Promise<number> {
  let last = -1;
  await expect
    .poll(
      () => {
        const still = count() === last && last > 0;
        last = count();
        return still;
      },
      { interval: 150 },
    )
    .toBe(true);
  return last;
}

describe("a slow reader", () => {
  test("stops the generator, and gets everything when it reads on", async () => {
    let made = 0;
    const total = 2000;
    const item = "x".repeat(16 * 1024);
    const flood = method({
      stream: "out",
      *handler() {
        for (; made < total; made++) yield item;
      },
    });
    const { url } = await start({ methods: { flood } });
    const { request, answered } = open(`${url}/flood`);
    request.end();
    const response = await answered;
    const before = await standsStill(() => made);
    // What the sockets' buffers hold, and a window.
    expect(before).toBeLessThan(total);
    const heard = listen(response);
    await expect.poll(() => heard.ended).toBe(true);
    expect(made).toBe(total);
    expect(heard.text.match(/"item"/g)).toHaveLength(total);
    expect(heard.text.endsWith('{"done":null}\n')).toBe(true);
  });

  test("a slow handler stops the client, and gets everything when it goes on", async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    let got = 0;
    const slow = method({
      stream: "in",
      async handler(items: AsyncIterableIterator<string>) {
        await promise;
        for await (const item of items) got += item.length;
        return got;
      },
    });
    const { url, server } = await start({ methods: { slow } });
    const { request, answered } = open(`${url}/slow`, { headers: { "content-type": "application/x-ndjson" } });
    const line = `${JSON.stringify("x".repeat(16 * 1024))}\n`;
    const count = 2000;
    let sent = 0;
    const send = (): void => {
      while (sent < count) {
        sent++;
        if (!request.write(line)) {
          request.once("drain", send);
          return;
        }
      }
      request.end();
    };
    send();
    const before = await standsStill(() => sent);
    expect(before).toBeLessThan(count);
    const [stream] = server.streams?.running ?? [];
    expect(stream?.itemsIn).toBeLessThanOrEqual(streamWindowItems);
    resolve(undefined);
    const heard = listen(await answered);
    await expect.poll(() => heard.text).toBe(String(count * 16 * 1024));
  });
});

describe("a client that leaves", () => {
  const watching = () => {
    const ended: string[] = [];
    const watch = method({
      stream: "out",
      endless: true,
      http: "GET /watch/{name}",
      async *handler({ name }: { name: string }, { signal }: StreamContext) {
        try {
          yield name;
          await once(signal, "abort");
        } finally {
          ended.push(`${name} ${(signal.reason as ServiceError).code}`);
        }
      },
    });
    return { ended, watch };
  };

  test("cancels its stream, and those that wait behind it on its connection", async () => {
    const { ended, watch } = watching();
    const { port, server } = await start({ methods: { watch } });
    const socket = connectTcp(port, "127.0.0.1");
    let text = "";
    socket.setEncoding("latin1").on("data", (part: string) => (text += part));
    for (const name of ["a", "b"]) socket.write(`GET /watch/${name} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
    await expect.poll(() => text).toContain('{"item":"a"}');
    await expect.poll(() => server.streams?.running.size).toBe(2);
    socket.destroy();
    await expect.poll(() => ended.sort()).toEqual(["a CANCELLED", "b CANCELLED"]);
    await expect.poll(() => server.streams?.running.size).toBe(0);
  });

  test("in the middle of its items is known to their handler", async () => {
    const ends: unknown[] = [];
    const take = method({
      stream: "in",
      async handler(items: AsyncIterableIterator<unknown>) {
        try {
          for await (const item of items) ends.push(item);
        } catch (error) {
          ends.push((error as ServiceError).code);
          throw error;
        }
      },
    });
    const { url } = await start({ methods: { take } });
    const { request } = open(`${url}/take`, { headers: { "content-type": "application/x-ndjson" } });
    request.write("1\n2");
    await expect.poll(() => ends).toEqual([1]);
    request.destroy();
    await expect.poll(() => ends).toEqual([1, "CANCELLED"]);
  });
});

describe("a service that leaves", () => {
  test("ends endless streams with a word that they may be opened again, waits for others, and takes no new endless ones", async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const methods = {
      watch: method({
        stream: "out",
        endless: true,
        async *handler(_body: undefined, { signal }: StreamContext) {
          yield 1;
          await once(signal, "abort");
        },
      }),
      finite: method({
        stream: "out",
        async *handler() {
          yield 1;
          await promise;
          yield 2;
        },
      }),
    };
    const { url, server } = await start({ methods });
    const opened = ["watch", "watch", "finite"].map((name, index) =>
      open(`${url}/${name}`, index === 1 ? asEvents : {}),
    );
    for (const { request } of opened) request.end();
    const [watch, events, finite] = await Promise.all(opened.map(async ({ answered }) => listen(await answered)));
    await expect.poll(() => finite?.text).toBe('{"item":1}\n');
    const drained = server.drain({ timeoutMs: 60_000, minimumMs: 0 });
    await expect.poll(() => [watch?.ended, events?.ended]).toEqual([true, true]);
    const leaving = { code: "ABORTED", retryable: true, details: { leaving: true } };
    expect(linesOf(watch?.text ?? "").at(-1)).toEqual({ error: expect.objectContaining(leaving) });
    // Without an id of its own: an EventSource comes again.
    expect(events?.text).toMatch(/event: error\ndata: \{.*"retryable":true/);
    const refused = await fetch(`${url}/watch`, { method: "POST" });
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "0"]);
    const later = await fetch(`${url}/watch`, { method: "POST", headers: { accept: "text/event-stream" } });
    expect(await later.text()).toMatch(/event: error\ndata: \{.*"code":"REFUSED".*"retryable":true/);
    expect(finite?.ended).toBe(false);
    resolve(undefined);
    expect(await drained).toMatchObject({ reason: "drained", aborted: 0 });
    expect(finite?.text).toBe('{"item":1}\n{"item":2}\n{"done":null}\n');
  });

  test("at the drain's deadline tells whose stream it cuts off", async () => {
    const stuck = method({
      stream: "out",
      async *handler() {
        yield 1;
        await new Promise(() => undefined);
      },
    });
    const { url, server } = await start({ methods: { stuck } });
    const { request, answered } = open(`${url}/stuck`);
    request.end();
    const heard = listen(await answered);
    await expect.poll(() => heard.text).toBe('{"item":1}\n');
    expect(await server.drain({ timeoutMs: 50, minimumMs: 0 })).toMatchObject({ reason: "deadline", aborted: 1 });
    await expect.poll(() => heard.ended).toBe(true);
    expect(linesOf(heard.text).at(-1)).toMatchObject({ error: { code: "ABORTED", fate: "maybe-executed" } });
  });
});
