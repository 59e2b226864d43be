// Large bodies, read as this Node and platform allow; and what happens to them when an application's handler throws.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { largeBodies } from "./large-bodies.suite.ts";

describe("large bodies", largeBodies);

it("a handler that throws gets the next message in another place: the one that it has stays as it is", () => {
  const program = `
    import { pull, push } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
    const [sink, source] = [pull(), push()];
    const errors = [], got = [];
    process.on("uncaughtException", (error) => errors.push(error.message));
    const tell = () => console.log(JSON.stringify({ errors, whole: got.map((body, n) => body.length === 500_000 && body.every((byte) => byte === n)) }));
    sink.onMessages((messages) => {
      got.push(...messages.map(([body]) => body));
      if (got.length === 8) return void (sink.close(), source.close(), tell());
      throw new Error("of the application");
    });
    source.connect(await sink.bind("tcp://127.0.0.1:*"));
    await source.writable();
    for (let n = 0; n < 8; n++) {
      source.send(Buffer.alloc(500_000, n));
      await new Promise((resolve) => setImmediate(resolve));
    }
  `;
  const output = execFileSync(process.execPath, ["--input-type=module", "--eval", program], {
    encoding: "utf8",
    timeout: 60_000,
  });
  const { errors, whole } = JSON.parse(output) as { errors: string[]; whole: boolean[] };
  expect(whole).toEqual(Array.from({ length: 8 }, () => true));
  expect(errors.length).toBeGreaterThan(0);
  expect(new Set(errors)).toEqual(new Set(["of the application"]));
});
