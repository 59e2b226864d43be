// The prompt, as someone who types sees it; the service is in memory.
import { PassThrough } from "node:stream";
import { method, ServiceError, service, type ServiceDescription } from "@wherry/service";
import { testService } from "@wherry/service/testing";
import { afterEach, expect, test } from "vitest";
import { Terminal } from "../terminal.ts";
import { type Repl, startRepl } from "./session.ts";

const shop = service("book-shop", {
  methods: {
    stock: () => ({ left: 2 }),
    size: (body: unknown) => (body instanceof Uint8Array ? body.length : "no bytes"),
    buy: () => {
      throw new ServiceError("SOLD_OUT", "none \u001b[31mleft", { details: { left: 0 } });
    },
    count: method({
      stream: "out",
      async *handler(to: number) {
        for (let n = 1; n <= to; n++) yield n;
      },
    }),
  },
});

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function prompt(): Promise<
  Repl & { readonly input: PassThrough; readonly text: () => string; readonly errors: () => string }
> {
  const pods = await testService(shop);
  closing.push(() => pods[Symbol.asyncDispose]());
  const client = pods.connect();
  const description = (await client.call("$describe" as never, undefined as never)) as ServiceDescription;
  const [input, output, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  let [text, errors] = ["", ""];
  output.setEncoding("utf8").on("data", (part: string) => (text += part));
  stderr.setEncoding("utf8").on("data", (part: string) => (errors += part));
  const terminal = new Terminal({ stdout: output, stderr: Object.assign(stderr, { isTTY: true }), env: {} });
  const repl = startRepl({ client: client as never, description, input, output, terminal, interactive: false });
  closing.push(() => {
    input.end();
    return repl.ended;
  });
  return { ...repl, input, text: () => text, errors: () => errors };
}

test("a service's methods are called by typing them, one line after the other; what they answer is shown", async () => {
  const { input, ended, text } = await prompt();
  input.end(`bookShop.stock()
const { left } = await bookShop.stock();
left + 1
bookShop.size(new Uint8Array(3))
for await (const n of bookShop.count(3)) {
  last = n;
}
last
{ a: 1 }
`);
  await ended;
  const shown = text().replaceAll(/^(?:\| )+/gm, "");
  expect(shown.trim().split("\n")).toEqual(["{ left: 2 }", "3", "3", "3", "{ a: 1 }"]);
});

test("an error of the service is one harmless line, other errors are Node's; the prompt goes on", async () => {
  const { input, ended, text, errors } = await prompt();
  input.end("bookShop.buy()\nnothing.there\nconst y = await bookShop.buy();\nbookShop.stock()\n");
  await ended;
  expect(errors()).toBe('SOLD_OUT: none \\x1b[31mleft (answered) {"left":0}\n');
  expect(text()).toMatch(/ReferenceError: nothing is not defined[^]*\{ left: 2 \}/);
});

test("names of methods are completed, and .methods lists them", async () => {
  const { server, input, ended, text } = await prompt();
  const completions = await new Promise((resolve) =>
    server.completer("bookShop.st", (_error, found) => resolve(found)),
  );
  expect(completions).toEqual([["bookShop.stock"], "bookShop.st"]);
  input.write(".methods\n.exit\n");
  await ended;
  expect(text()).toMatch(/^stock +any → any$/m);
  expect(text()).toMatch(/^count +any → any, … +stream out$/m);
});
