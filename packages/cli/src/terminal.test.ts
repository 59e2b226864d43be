// What the terminal shows is safe and readable whatever the cluster sends; and what users type as times, numbers and bodies is read as
// they mean it.
import { Writable } from "node:stream";
import { describe, expect, test } from "vitest";
import { Histogram } from "./histogram.ts";
import { readable } from "./log-record.ts";
import { table, Terminal, visible } from "./terminal.ts";
import { duration, wholeNumber } from "./values.ts";
import { bodyOf } from "./commands/call.ts";

class Screen extends Writable {
  readonly isTTY: boolean;
  text = "";
  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }
  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

const terminalOn = (tty: boolean, env: Record<string, string> = {}): { terminal: Terminal; screen: Screen } => {
  const screen = new Screen(tty);
  return { terminal: new Terminal({ stdout: screen, stderr: screen, env }), screen };
};

describe("a terminal", () => {
  test("has colours only where a person looks and wants them", () => {
    expect(terminalOn(true).terminal.style("red", "x")).toBe("\u001b[31mx\u001b[0m");
    expect(terminalOn(false).terminal.style("red", "x")).toBe("x");
    expect(terminalOn(true, { NO_COLOR: "1" }).terminal.podStyle(0, "x")).toBe("x");
    expect(terminalOn(true, { TERM: "dumb" }).terminal.style("red", "x")).toBe("x");
  });

  test("is not moved or recoloured by text from the cluster; a pipe gets it as it is", () => {
    const evil = "\u001b]0;title\u0007\u001b[2Jgone\r\u202e";
    expect(terminalOn(true).terminal.clean(evil)).toBe("\\x1b]0;title\\x07\\x1b[2Jgone\\x0d\\u202e");
    expect(terminalOn(false).terminal.clean(evil)).toBe(evil);
    expect(visible("tab\tand\nline")).toBe("tab\tand\nline");
  });

  test("aligns a table's columns", () => {
    expect(
      table([
        ["POD", "IP"],
        ["echo-1", "127.1.0.1"],
      ]),
    ).toEqual(["POD     IP", "echo-1  127.1.0.1"]);
  });

  test("shows a service's JSON records as lines, in Wherry's own colours, and leaves out what is said twice", () => {
    const plain = terminalOn(true, { NO_COLOR: "1" }).terminal;
    const record = '{"level":30,"time":0,"pid":1,"msg":"listens on tcp://1:5555","endpoint":"tcp://1:5555","tries":7}';
    expect(readable(record, plain)).toEqual(["00:00:00.000 INFO  listens on tcp://1:5555 tries=7"]);
    expect(readable('{"level":"warn","msg":"\\u001b[2J","a":"\\u001b[2J\\n"}', plain)).toEqual([
      'WARN  \\x1b[2J a="\\u001b[2J\\n"',
    ]);
    for (const other of ["plain text", '{"half', '{"no":"message"}']) expect(readable(other, plain)).toEqual([other]);
    const [coloured] = readable(record, terminalOn(true).terminal);
    expect(coloured).toBe("00:00:00.000 \u001b[2mINFO \u001b[0m listens on tcp://1:5555 \u001b[2mtries=7\u001b[0m");
  });

  test("shows a fatal record as its message, then the stack, line by line", () => {
    const stack = "Error: no\n    at start (file:///a.ts:3:9)\n    at file:///a.ts:9:1";
    const fatal = (type: string): string =>
      JSON.stringify({ level: "fatal", err: { type, message: "no", stack }, msg: "could not start: no" });
    const plain = terminalOn(true, { NO_COLOR: "1" }).terminal;
    const frames = ["    at start (file:///a.ts:3:9)", "    at file:///a.ts:9:1"];
    expect(readable(fatal("Error"), plain)).toEqual(["FATAL could not start: no", ...frames]);
    expect(readable(fatal("TypeError"), plain)).toEqual(["FATAL could not start: no", "    Error: no", ...frames]);
  });
});

describe("values", () => {
  test("times have units; a bare number is seconds", () => {
    expect(["500ms", "2s", "1.5m", "1h", "3"].map((text) => duration("--t", text))).toEqual([
      500, 2000, 90_000, 3_600_000, 3000,
    ]);
    for (const bad of ["", "-1s", "0", "1d", "soon", "25h"]) expect(() => duration("--t", bad)).toThrow(/--t takes/);
  });

  test("whole numbers have bounds", () => {
    expect(wholeNumber("--n", "3", 1, 5)).toBe(3);
    for (const bad of ["", "0", "6", "1.5", "1e0", "x"])
      expect(() => wholeNumber("--n", bad, 1, 5)).toThrow(/--n takes/);
  });

  test("a body is JSON if it can be, else text", () => {
    expect([bodyOf("hello"), bodyOf('{"a":1}'), bodyOf("3"), bodyOf(undefined)]).toEqual([
      "hello",
      { a: 1 },
      3,
      undefined,
    ]);
  });

  test("a body that begins as JSON does and is none is refused, unless it is said to be text", () => {
    for (const bad of ["{name:you}", '{"a":', " [1,", "[note]"]) {
      expect(() => bodyOf(bad)).toThrow(/not JSON: .*'\{"name":"you"\}'.*--text/);
      expect(bodyOf(bad, true)).toBe(bad);
    }
    expect(() => bodyOf('{"a":')).toThrow(/Unexpected end of JSON input/);
    expect(bodyOf("3", true)).toBe("3");
  });
});

test("a histogram's percentiles are right to about one percent", () => {
  const histogram = new Histogram();
  for (let value = 1; value <= 1000; value++) histogram.add(value / 10);
  expect(Math.abs(histogram.percentile(0.5) - 50)).toBeLessThan(1);
  expect(Math.abs(histogram.percentile(0.99) - 99)).toBeLessThan(1.5);
  expect(histogram.percentile(1)).toBe(100);
  expect(histogram.count).toBe(1000);
});
