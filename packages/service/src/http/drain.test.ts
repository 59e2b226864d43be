// A draining service and the clients of its HTTP port: nothing that was sent on a connection stays unanswered.
import { connect as connectTcp } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { serve } from "../server/serve.ts";
import type { Methods, ServiceDefinition } from "../service.ts";
import { service } from "../define.ts";
import { startChild, stopChildren } from "../testing/child.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await stopChildren();
});

async function start<const M extends Methods>(definition: ServiceDefinition<M>) {
  const { server, httpUrl = "" } = await serve(service("shop", definition), { http: true });
  cleanups.push(() => server.close());
  return { server, url: httpUrl, port: Number(new URL(httpUrl).port) };
}

/** Longer than any machine takes: what is not about the deadline must not meet it. */
const times = { timeoutMs: 60_000, minimumMs: 0 };
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`;

/** A connection by hand. */
class Raw {
  text = "";
  ended = false;
  failed: string | undefined;
  connected = false;
  readonly socket: ReturnType<typeof connectTcp>;
  #news = Promise.withResolvers<undefined>();

  constructor(port: number) {
    this.socket = connectTcp(port, "127.0.0.1");
    cleanups.push(() => this.socket.destroy());
    this.socket.setEncoding("latin1").on("data", (text: string) => {
      this.text += text;
      this.#tell();
    });
    this.socket.on("connect", () => (this.connected = true));
    this.socket.on("end", () => {
      this.ended = true;
      this.#tell();
    });
    this.socket.on("error", (error: NodeJS.ErrnoException) => {
      this.failed = error.code;
      this.#tell();
    });
  }

  #tell(): void {
    this.#news.resolve(undefined);
    this.#news = Promise.withResolvers<undefined>();
  }

  get statuses(): number[] {
    return [...this.text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => Number(match[1]));
  }

  get lastSaysClose(): boolean {
    return /connection: close/i.test(this.text.slice(this.text.lastIndexOf("HTTP/1.1 ")));
  }

  get over(): boolean {
    return this.ended || this.failed !== undefined;
  }

  /** Asks, and waits for one more answer, or the end. */
  async ask(path: string): Promise<number | "refused" | "lost"> {
    const before = this.statuses.length;
    this.socket.write(get(path));
    for (;;) {
      const status = this.statuses[before];
      if (status !== undefined) return status;
      if (this.over) return this.connected ? "lost" : "refused";
      await this.#news.promise;
    }
  }
}

function gate() {
  const started: unknown[] = [];
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const handler = (body: unknown): Promise<unknown> => {
    started.push(body);
    return promise;
  };
  return { started, handler, open: resolve };
}

test("an idle keep-alive connection doesn't hold the drain up", async () => {
  const { server, port } = await start({ methods: { ping: { http: "GET /ping", handler: () => "pong" } } });
  const [idle, silent] = [new Raw(port), new Raw(port)];
  expect(await idle.ask("/ping")).toBe(200);
  await expect.poll(() => silent.connected).toBe(true);
  expect(await server.drain(times)).toMatchObject({ reason: "drained", refused: 0, aborted: 0 });
  await expect.poll(() => [idle.ended, silent.ended]).toEqual([true, true]);
});

test("a request that runs is answered, with the word that it is the connection's last", async () => {
  const slow = gate();
  const { server, port } = await start({ methods: { wait: { http: "GET /wait", handler: slow.handler } } });
  const client = new Raw(port);
  const answer = client.ask("/wait");
  await expect.poll(() => slow.started).toHaveLength(1);
  const drained = server.drain(times);
  slow.open("done");
  expect(await answer).toBe(200);
  expect(client.lastSaysClose).toBe(true);
  expect(await drained).toMatchObject({ reason: "drained", refused: 0, aborted: 0 });
  await expect.poll(() => client.ended).toBe(true);
});

test("of requests sent at once on one connection, all are answered, and only the last answer closes", async () => {
  const slow = gate();
  const { server, port } = await start({
    methods: { wait: { http: "GET /wait", handler: slow.handler } },
    concurrency: 2,
  });
  const client = new Raw(port);
  client.socket.write(get("/wait").repeat(3));
  await expect.poll(() => server.executor.queued).toBe(1);
  const drained = server.drain(times);
  slow.open("done");
  await expect.poll(() => client.ended).toBe(true);
  expect(client.statuses).toEqual([200, 200, 200]);
  expect(client.text.match(/connection: close/gi)).toHaveLength(1);
  expect(client.lastSaysClose).toBe(true);
  expect(await drained).toMatchObject({ reason: "drained" });
});

test("who comes while it drains is served, and told", async () => {
  const slow = gate();
  const { server, port } = await start({
    methods: {
      ping: { http: "GET /ping", handler: () => "pong" },
      wait: { http: "GET /wait", handler: slow.handler },
    },
    concurrency: 2,
  });
  // As long as this one runs, it drains.
  const running = new Raw(port).ask("/wait");
  await expect.poll(() => slow.started).toHaveLength(1);
  const drained = server.drain(times);
  const late = new Raw(port);
  expect(await late.ask("/ping")).toBe(200);
  expect(late.lastSaysClose).toBe(true);
  slow.open("done");
  expect(await running).toBe(200);
  expect(await drained).toMatchObject({ reason: "drained" });
});

test("at the deadline, what runs is told that it may have had its effect, and what waits that it did not", async () => {
  const slow = gate();
  const { server, url } = await start({ methods: { wait: slow.handler } });
  const ask = async (): Promise<unknown> => {
    const response = await fetch(`${url}/wait`, { method: "POST" });
    const { code, fate } = (await response.json()) as Record<string, unknown>;
    return [response.status, response.headers.get("retry-after"), code, fate];
  };
  const answers = [ask(), ask()];
  await expect.poll(() => server.executor.queued).toBe(1);
  expect(await server.drain({ timeoutMs: 100, minimumMs: 0 })).toMatchObject({
    reason: "deadline",
    refused: 1,
    aborted: 1,
  });
  expect((await Promise.all(answers)).sort()).toEqual([
    [500, null, "ABORTED", "maybe-executed"],
    [503, "0", "REFUSED", "not-started"],
  ]);
});

describe("a client that hammers through a drain loses nothing", () => {
  test("on keep-alive connections by hand, until it is refused", async () => {
    let served = 0;
    const { server, port } = await start({ methods: { count: { http: "GET /count", handler: () => ++served } } });
    const outcomes: Record<string, number> = {};
    const hammer = async (): Promise<void> => {
      for (let connection = new Raw(port); ; ) {
        const outcome = await connection.ask("/count");
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
        if (outcome === "refused") return;
        if (connection.lastSaysClose || outcome === "lost") connection = new Raw(port);
      }
    };
    const hammers = Array.from({ length: 8 }, hammer);
    await expect.poll(() => served).toBeGreaterThan(hammers.length * 10);
    const before = served;
    const drained = server.drain({ timeoutMs: 1500, minimumMs: 300 });
    await expect.poll(() => server.state).toBe("ended");
    const ending = await drained;
    await Promise.all(hammers);
    expect(served).toBeGreaterThan(before);
    const { refused, "200": ok = 0, ...others } = outcomes;
    expect(refused).toBe(8);
    expect(ok).toBe(served);
    // REFUSED is a definite answer: those that were connected when the service ended.
    expect(others).toEqual("503" in others ? { "503": others["503"] } : {});
    expect(ending.aborted).toBe(0);
    expect(ending.refused).toBeLessThanOrEqual(others["503"] ?? 0);
  });

  test("with Node's fetch, and a real process that gets SIGTERM", async () => {
    const program = `
      import { run, service } from "@wherry/service";
      let served = 0;
      await run(service("shop", { methods: { count: () => ++served } }), { drainTimeoutMs: 60_000, drainMinimumMs: 300 });
      process.on("exit", () => console.log("served", served));`;
    const child = startChild({ program, args: ["--port", "0", "--admin-port", "0", "--http-port", "0"] });
    await child.listening;
    const url = String(child.records.find((record) => "http" in record)?.["http"]);
    let [answered, refused] = [0, 0];
    const lost: unknown[] = [];
    const hammer = async (): Promise<void> => {
      let cut: unknown;
      for (;;) {
        try {
          const response = await fetch(`${url}/count`, { method: "POST", headers: { "idempotency-key": "k" } });
          if (response.status === 200) answered++;
          else if (response.status === 503) refused++;
          else lost.push(response.status);
          await response.arrayBuffer();
          // It is still there: it had no reason to.
          if (cut !== undefined) lost.push(cut);
          cut = undefined;
        } catch (error) {
          const { code } = (error as { cause: { code?: string } }).cause;
          if (code === "ECONNREFUSED" || child.process.exitCode !== null) return;
          if (cut !== undefined) lost.push(cut);
          // The kernel does this to who connects in the very moment in which the last door closes: then he is refused next.
          cut = code ?? error;
        }
      }
    };
    const hammers = Array.from({ length: 8 }, hammer);
    await expect.poll(() => answered).toBeGreaterThan(hammers.length * 10);
    child.process.kill("SIGTERM");
    await Promise.all(hammers);
    const { code } = await child.exit;
    expect(lost).toEqual([]);
    expect(child.other).toContain(`served ${answered}`);
    expect({ code, refused }).toMatchObject({ code: expect.any(Number) });
  });
});
