// No password of a URL is shown: not by --print-config, not by a complaint about a setting, not by what brokers and sinks say.
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { SystemClock, SystemRandom } from "@wherry/core";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { openBroker } from "../durable/open.ts";
import { aggregatorOf } from "../log/targets.ts";
import { parseConfig } from "../process/config.ts";
import { maskUrls } from "./mask.ts";

const folder = mkdtempSync(join(tmpdir(), "wherry-mask-"));
afterAll(() => rmSync(folder, { recursive: true }));

test.each([
  ["amqp://shop:s3cret@host/vhost", "amqp://shop:***@host/vhost"],
  ["amqp://:s3cret@host", "amqp://:***@host"],
  ["nats://s3cret@host:4222", "nats://***@host:4222"],
  ["kafka://a:s3@cr/et@h1:9092,h2:9092?tls", "kafka://a:***@h1:9092,h2:9092?tls"],
  ["shop:s3cret@host", "shop:***@host"],
  ["look at amqp://shop:s3cret@host, please", "look at amqp://shop:***@host, please"],
  ["sqlite:///home/me@work/durable.db", "sqlite:///home/me@work/durable.db"],
  ["https://host:8080/path", "https://host:8080/path"],
  ["joe@example.com", "joe@example.com"],
])("%s is shown as %s", (text, shown) => {
  expect(maskUrls(text)).toBe(shown);
});

test("no password comes through, whatever it is made of", () => {
  const password = fc.string({ minLength: 4, unit: "grapheme" }).filter((text) => !/\s/.test(text));
  fc.assert(
    fc.property(password, (secret) => {
      expect(maskUrls(`amqp://user:<${secret}>@host/`)).toBe("amqp://user:***@host/");
      expect(maskUrls(`nats://user:${encodeURIComponent(secret)}@host`)).toBe("nats://user:***@host");
    }),
  );
});

const settings = { storeUrl: { type: "string", optional: true }, mode: { type: "string", pattern: /^on$/ } } as const;

test("--print-config masks the URL of every setting, the service's own too", () => {
  const env = { BROKER_URL: "amqp://shop:s3cret@host", STORE_URL: "redis://:s3cret@host", MODE: "on" };
  const printed = parseConfig("shop", ["--print-config"], env, settings);
  expect(printed).toMatchObject({ text: expect.stringContaining('broker: "amqp://shop:***@host" # BROKER_URL') });
  expect(printed).toMatchObject({ text: expect.stringContaining('storeUrl: "redis://:***@host" # STORE_URL') });
  expect(JSON.stringify(printed)).not.toContain("s3cret");
});

test.each([
  { BROKER_URL: "redis://shop:s3cret@host" },
  { BROKER_URL: "shop:s3cret@host" },
  { LOG_TO: "kafka://shop:s3cret@host" },
  { MODE: "https://shop:s3cret@host" },
])("a complaint about %j says what came, without the password", (env) => {
  const parse = (): unknown => parseConfig("shop", [], { MODE: "on", ...env }, settings);
  expect(parse).toThrow(/shop:\*\*\*@host/);
  expect(parse).not.toThrow(/s3cret/);
});

/** All that a log would show of it: message, stack, causes, and properties. */
const everything = (value: unknown): string => inspect(value, { depth: 20, showHidden: true });

test("what a broker says of a server that is away, or of a URL that is none, has no password", async () => {
  // A port that answers nothing sensible.
  const server = createServer((socket) => void socket.end("what?\r\n"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const said: string[] = [];
  const log = (...what: unknown[]): void => void said.push(everything(what));
  const logger = { trace: log, debug: log, info: log, warn: log, error: log, fatal: log, child: () => logger };
  const say = (error: unknown): void => void said.push(everything(error));
  for (const scheme of ["amqp", "nats", "kafka"])
    for (const host of [`127.0.0.1:${port}`, "127.0.0.1:1"]) {
      const broker = await openBroker({ url: `${scheme}://shop:s3cret@${host}`, log: logger });
      const consumer = broker.consume("q", { prefetch: 1, deliver: () => undefined }).catch(say);
      await broker.publish("q", { content: 0, body: undefined }).then(() => expect.unreachable(), say);
      await broker.depth("q").catch(say);
      await broker.close();
      await consumer;
    }
  for (const url of [
    "redis://shop:s3cret@host",
    "amqp://shop:s3cret@h ost",
    "kafka://shop:s3cret@",
    "shop:s3cret@host",
  ])
    await openBroker({ url, log: logger }).then(() => expect.unreachable(), say);
  server.close();
  expect(said.length).toBeGreaterThanOrEqual(10);
  for (const text of said) expect(text).not.toContain("s3cret");
});

test("what a log's sink says has no password", async () => {
  const options = { service: "shop", authorization: undefined, random: new SystemRandom(), clock: new SystemClock() };
  for (const target of ["elasticsearch+http://u:s3cret@127.0.0.1:1/i", "loki+http://u:s3cret@127.0.0.1:1"]) {
    const aggregator = aggregatorOf(target, options);
    const failure = aggregator.send(['{"level":"info","msg":"hi"}'], new AbortController().signal);
    const error: unknown = await failure.then(
      () => expect.unreachable(),
      (reason: unknown) => reason,
    );
    expect(`${aggregator.name} ${everything(error)}`).not.toContain("s3cret");
    aggregator.close();
  }
  for (const target of ["elasticsearch+http://u:s3cret@host/", "loki+http://u:s3cret@"]) {
    expect(() => aggregatorOf(target, options)).toThrow(/--log-to: expected .*u:\*\*\*@/);
    expect(() => aggregatorOf(target, options)).not.toThrow(/s3cret/);
  }
});
