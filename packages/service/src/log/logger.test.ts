// Message templates and the logger: whatever a program gives them, they write one record and never throw.
import type { Logger } from "@wherry/core";
import fc from "fast-check";
import { pino } from "pino";
import { describe, expect, expectTypeOf, test } from "vitest";
import { shownError } from "../process/logging.ts";
import { templated } from "./logger.ts";
import { render } from "./template.ts";
import type { Log, LogFields } from "./types.ts";

describe("a message template", () => {
  test.each([
    ["{bytes} bytes from {peer}", { bytes: 3, peer: "tcp://x" }, "3 bytes from tcp://x"],
    ["{{bytes}} {bytes}}} is {unknown}", { bytes: 3 }, "{bytes} 3} is {unknown}"],
    ["{@order} {$text} {n:000} {n,8}", { order: { id: 1 }, text: "t", n: 5 }, '{"id":1} t 5 5'],
    ["{e} {u} {nul} {list}", { e: new Error("why"), u: undefined, nul: null, list: [1] }, "why undefined null [1]"],
    ["{toString} {__proto__}", {}, "{toString} {__proto__}"],
    ["no holes } but { braces {} { a }", {}, "no holes } but { braces {} { a }"],
  ])("%s", (template, fields, text) => {
    expect(render(template, fields).text).toBe(text);
  });

  test("keeps every text that has no braces, and every escaped one", () => {
    fc.assert(
      fc.property(fc.string(), fc.dictionary(fc.string(), fc.anything()), (text, fields) => {
        const escaped = text.replaceAll("{", "{{").replaceAll("}", "}}");
        expect(render(escaped, fields)).toEqual({ text, filled: false });
      }),
    );
  });

  test("is filled with any value, never longer than people read", () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(render("a {value} b", { value }).text.length).toBeLessThan(1010);
      }),
    );
    expect(render("{value}", { value: "x".repeat(5000) }).text).toMatch(/^x{1000}…$/);
  });
});

function recorder(level = "debug"): { log: Log; records: Record<string, unknown>[] } {
  const records: Record<string, unknown>[] = [];
  const write = (line: string): void => void records.push(JSON.parse(line) as Record<string, unknown>);
  const formatters = { level: (label: string) => ({ level: label }) };
  const options = { level, base: null, timestamp: false, formatters, serializers: { err: shownError } };
  return { log: templated(pino(options, { write })), records };
}

class Trap extends Error {
  readonly detail = Object.defineProperty({}, "x", { enumerable: true, get: () => expect.unreachable() });
  override get name(): string {
    throw new Error("no name");
  }
}
const throwing = (): LogFields =>
  Object.defineProperty({ ok: 1 }, "trap", {
    enumerable: true,
    get() {
      throw new Error("do not look");
    },
  });
const cyclic: Record<string, unknown> = { a: 1n };
cyclic["self"] = cyclic;
const revoked = Proxy.revocable({}, {});
revoked.revoke();

describe("whatever its fields do when they are looked at, the logger writes one record, and throws nothing", () => {
  test.each<[string, LogFields, object]>([
    ["a getter that throws", throwing(), { ok: 1, trap: "[cannot be read: do not look]" }],
    ["a cycle", cyclic, { a: expect.anything() }],
    ["bigints", { n: 1n, in: [2n] }, {}],
    ["a proxy that is revoked", { proxy: revoked.proxy, ok: 1 }, { ok: 1, proxy: expect.stringContaining("revoked") }],
    ["a proxy that is revoked, itself", revoked.proxy, { value: expect.stringContaining("revoked") }],
    ["toJSON that throws", { ok: 1, bad: { toJSON: () => expect.unreachable("looked") } }, { ok: 1 }],
    ["functions and symbols", { f: () => 1, s: Symbol("s"), ok: 1 }, { ok: 1 }],
    ["an error that traps", { err: new Trap("why"), ok: 1 }, { ok: 1, err: { message: "why" } }],
    ["another error that traps", { other: new Trap("why"), ok: 1 }, { ok: 1, other: { message: "why" } }],
  ])("%s", (_name, fields, expected) => {
    for (const write of [
      (log: Log) => log.error(fields, "read {ok} {trap} {value}"),
      (log: Log) => log.error("read {ok} {trap} {value}", fields),
      (log: Log) => log.child(fields).error("read"),
    ]) {
      const { log, records } = recorder();
      write(log);
      expect(records).toEqual([expect.objectContaining({ level: "error", msg: expect.stringMatching(/^read/) })]);
      expect(records[0]).toMatchObject(expected);
    }
  });

  test("anything at all", () => {
    const anything = fc.anything({ withBigInt: true, withMap: true, withNullPrototype: true, withObjectString: true });
    fc.assert(
      fc.property(anything, anything, (first, second) => {
        const { log, records } = recorder();
        log.info(first as never, second as never);
        log.child({ first }).info({ second }, "{second}");
        expect(records).toHaveLength(2);
      }),
    );
  });
});

describe("the logger", () => {
  test("has the levels of the setting, the nearest of them where another logger has fewer", () => {
    const { log, records } = recorder("trace");
    log.trace("finest {n}", { n: 1 });
    log.fatal(new Error("the end"));
    expect(records).toMatchObject([
      { level: "trace", msg: "finest 1" },
      { level: "fatal", msg: "the end", err: { message: "the end" } },
    ]);
    const said: string[] = [];
    const at =
      (level: string) =>
      (_fields: object, message: string): void =>
        void said.push(`${level} ${message}`);
    const few: Logger = {
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      child: () => few,
    };
    templated(few).trace("fine");
    templated(few).fatal("grave");
    expect(said).toEqual(["debug fine", "error grave"]);
  });

  test("takes a message and fields in both orders, and keeps the template for who groups by it", () => {
    const { log, records } = recorder();
    log.info("{bytes} bytes from {peer}", { bytes: 3, peer: "p" });
    log.info({ bytes: 3, peer: "p" }, "{bytes} bytes from {peer}");
    const record = { level: "info", bytes: 3, peer: "p", template: "{bytes} bytes from {peer}", msg: "3 bytes from p" };
    expect(records).toEqual([record, record]);
    log.warn("plain");
    log.warn({ a: 1 });
    expect(records.slice(2)).toEqual([
      { level: "warn", msg: "plain" },
      { level: "warn", a: 1, msg: "" },
    ]);
  });

  test("writes errors with their stacks, wherever they stand", () => {
    const { log, records } = recorder();
    const error = new TypeError("why");
    log.error(error);
    log.error("could not: {message}", error);
    log.error("{reason}", { reason: error });
    const told = { type: "TypeError", message: "why", stack: expect.stringContaining("logger.test.ts") };
    expect(records).toMatchObject([
      { err: told, msg: "why" },
      { err: told, msg: "could not: {message}" },
      { reason: told, msg: "why" },
    ]);
  });

  test("never writes a name twice that each record has", () => {
    const lines: string[] = [];
    const log = templated(pino({ base: { service: "shop", pod: "p" } }, { write: (line) => void lines.push(line) }));
    log.info("level {level}", { level: 3, time: 1, msg: "m", service: "s", pod: "q" });
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({
      service: "shop",
      service_: "s",
      level_: 3,
      msg_: "m",
      msg: "level 3",
    });
    expect(lines[0]?.match(/"(level|time|msg|service|pod)":/g)).toHaveLength(5);
  });

  test("makes no text for a level that is not written", () => {
    const { log, records } = recorder("info");
    let asked = 0;
    log.debug("{value}", { value: { toJSON: () => asked++ } });
    log.child({ a: 1 }).info("{value}", { value: { toJSON: () => asked++ } });
    expect([asked > 0, records]).toEqual([true, [expect.objectContaining({ level: "info", a: 1 })]]);
  });

  test("takes whatever a program throws at it", () => {
    const { log } = recorder();
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (first, second) => {
        (log.info as (...values: unknown[]) => void)(first, second);
      }),
    );
  });

  test("is a plain logger for libraries, and not wrapped twice", () => {
    const { log } = recorder();
    expectTypeOf(log).toExtend<Logger>();
    expect(templated(log)).toBe(log);
    const misuse = (): void => {
      // @ts-expect-error a number is neither a message nor fields
      log.info(1);
    };
    expect(misuse).toBeTypeOf("function");
  });
});
