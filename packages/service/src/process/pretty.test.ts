// Records on a terminal: one readable line, and no control character gets through.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { prettyLine } from "./pretty.ts";

const base = { time: "2026-11-22T12:57:02.780Z", service: "shop", pod: "shop-1" };
const shown = (record: object): string => prettyLine(`${JSON.stringify({ ...base, ...record })}\n`, false);

describe("a record on a terminal", () => {
  test("is one line: time, level, message, and the fields that the message does not say", () => {
    const endpoint = "tcp://127.0.0.1:5555";
    const record = {
      level: "info",
      endpoint,
      admin: "http://127.0.0.1:9000",
      startMs: 12,
      msg: `listens on ${endpoint}`,
    };
    expect(shown(record)).toBe(
      "12:57:02.780 INFO  listens on tcp://127.0.0.1:5555 admin=http://127.0.0.1:9000 startMs=12\n",
    );
  });

  test("shows an error's stack as lines, with its causes, and without Node's own frames", () => {
    const stack =
      "TypeError: bad\n    at buy (file:///app/shop.ts:3:1)\n    at process.x (node:internal/y:1:1)\ncaused by: Error: why\n    at file:///app/a.ts:1:1";
    const err = { type: "TypeError", message: "bad", stack };
    expect(shown({ level: "fatal", err, method: "buy", aborted: 1, msg: "buy threw; ending: bad" })).toBe(
      "12:57:02.780 FATAL buy threw; ending: bad aborted=1\n" +
        "    TypeError\n      at buy (/app/shop.ts:3:1)\n    caused by: Error: why\n      at /app/a.ts:1:1\n",
    );
  });

  test("obeys no control character, whoever sent it", () => {
    expect(shown({ level: "warn", peer: "\u001b[2J", msg: "a\u001b]0;title\u0007b" })).toBe(
      "12:57:02.780 WARN  a\\x1b]0;title\\x07b peer=\\x1b[2J\n",
    );
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (msg, value) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
        expect(shown({ level: "info", msg, value })).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
      }),
    );
    // What turns the rest of the line around, or ends it for some.
    expect(shown({ level: "warn", peer: "\u202egnp", msg: "a\u2028b\u2066c" })).toBe(
      "12:57:02.780 WARN  a\\u2028b\\u2066c peer=\\u202egnp\n",
    );
  });

  test("that is none is shown as it came", () => {
    expect(prettyLine("no json\n", false)).toBe("no json\n");
  });
});
