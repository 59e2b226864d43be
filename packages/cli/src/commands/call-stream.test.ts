// Streams at the command line: what is printed, what is read, and how it ends; the service is in memory.
import { PassThrough, Writable } from "node:stream";
import { method, ServiceError, service } from "@wherry/service";
import { testService } from "@wherry/service/testing";
import { afterEach, expect, test } from "vitest";
import type { Context } from "../context.ts";
import { Terminal } from "../terminal.ts";
import { callStream, kindOf, type StreamCall } from "./call-stream.ts";

let yielded = 0;
let stopped = false;
const numbers = service("numbers", {
  methods: {
    count: method({
      stream: "out",
      async *handler(to: number) {
        for (let n = 1; n <= to; n++) yield { n };
        if (to === 13) throw new ServiceError("UNLUCKY", "no further");
        return "counted";
      },
    }),
    endless: method({
      stream: "out",
      async *handler() {
        try {
          for (;;) yield ++yielded;
        } finally {
          stopped = true;
        }
      },
    }),
    kinds: method({
      stream: "out",
      *handler() {
        yield Buffer.from([1, 2]);
        yield undefined;
        yield "two\nlines";
      },
    }),
    sum: method({
      stream: "in",
      handler: async (items: AsyncIterable<number>) => {
        let sum = 0;
        for await (const item of items) sum += item;
        return sum;
      },
    }),
    double: method({
      stream: "both",
      async *handler(items: AsyncIterable<number>) {
        for await (const item of items) yield item * 2;
      },
    }),
  },
});

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Ran {
  readonly code: Promise<number>;
  readonly stdin: PassThrough;
  readonly interrupt: AbortController;
  readonly out: () => string;
  readonly notes: () => string;
}

async function run(call: Partial<StreamCall> & Pick<StreamCall, "method" | "kind">, stdout?: Writable): Promise<Ran> {
  const pods = await testService(numbers);
  closing.push(() => pods[Symbol.asyncDispose]());
  const [stdin, taken, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  let [out, notes] = ["", ""];
  taken.setEncoding("utf8").on("data", (part: string) => (out += part));
  stderr.setEncoding("utf8").on("data", (part: string) => (notes += part));
  const terminal = new Terminal({ stdout: stdout ?? taken, stderr, env: {} });
  const interrupt = new AbortController();
  const whole = { body: undefined, deadlineMs: undefined, ...call };
  const of = { stdin, interrupted: interrupt.signal };
  const code = callStream(pods.connect() as never, whole, of, { terminal } as Context);
  return { code, stdin, interrupt, out: () => out, notes: () => notes };
}

test("items are lines of JSON; what the handler returns is no item, and stands elsewhere", async () => {
  const { code, out, notes } = await run({ method: "count", kind: "out", body: 2 });
  expect(await code).toBe(0);
  expect(out()).toBe('{"n":1}\n{"n":2}\n');
  expect(notes()).toBe('done: "counted"\n');
});

test("each item is one line, whatever it is", async () => {
  const { code, out } = await run({ method: "kinds", kind: "out" });
  expect(await code).toBe(0);
  expect(out()).toBe('"AQI="\nnull\n"two\\nlines"\n');
});

test("items come from stdin, a line each, and the reply is printed", async () => {
  const { code, stdin, out } = await run({ method: "sum", kind: "in" });
  stdin.end("1\n\n2\n  3");
  expect(await code).toBe(0);
  expect(out()).toBe("6\n");
});

test("both ways at once: an answer does not wait for the end of stdin", async () => {
  const { code, stdin, out } = await run({ method: "double", kind: "both" });
  stdin.write("1\n");
  await expect.poll(out).toBe("2\n");
  stdin.end("2\n");
  expect(await code).toBe(0);
  expect(out()).toBe("2\n4\n");
});

test("a body on the command line is the only item", async () => {
  const { code, out } = await run({ method: "sum", kind: "in", body: 7 });
  expect(await code).toBe(0);
  expect(out()).toBe("7\n");
});

test("an error of the service follows the items that came before it, and fails the command", async () => {
  const { code, out } = await run({ method: "count", kind: "out", body: 13 });
  await expect(code).rejects.toMatchObject({ exitCode: 1, message: "UNLUCKY: no further" });
  expect(out().split("\n")).toHaveLength(14);
});

test("a line that is no JSON is told with its number, and the service's handler stops", async () => {
  const { code, stdin } = await run({ method: "sum", kind: "in" });
  stdin.end("1\n{broken\n");
  await expect(code).rejects.toMatchObject({ exitCode: 2, message: expect.stringMatching(/^line 2 of the items/) });
});

test("Ctrl-C ends it at both sides", async () => {
  [yielded, stopped] = [0, false];
  const { code, interrupt, out, notes } = await run({ method: "endless", kind: "out" });
  await expect.poll(out).toContain("\n3\n");
  interrupt.abort();
  expect(await code).toBe(130);
  expect(notes()).toBe("cancelled\n");
  await expect.poll(() => stopped).toBe(true);
});

test("a reader that takes nothing more stops the service's generator, instead of filling memory", async () => {
  [yielded, stopped] = [0, false];
  const full = new Writable({ highWaterMark: 1, write: () => undefined });
  const { code, interrupt } = await run({ method: "endless", kind: "out" }, full);
  // As much as the window and a queue of one hold, and no more however long one waits.
  await expect.poll(() => yielded).toBeGreaterThan(100);
  for (let before = -1; before !== yielded; ) {
    before = yielded;
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(yielded).toBeLessThan(2000);
  }
  interrupt.abort();
  expect(await code).toBe(130);
});

test("which kind of stream a method is, a refused call says", async () => {
  const pods = await testService(numbers);
  closing.push(() => pods[Symbol.asyncDispose]());
  const refused: unknown = await pods
    .connect()
    .call("sum" as never, undefined as never)
    .catch((error: unknown) => error);
  expect(kindOf(refused)).toBe("in");
  expect(kindOf(new ServiceError("INVALID", "something else"))).toBeUndefined();
  expect(kindOf(new Error("a bug"))).toBeUndefined();
});
