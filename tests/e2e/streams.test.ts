// Streams from a shell: the real `wherry call`, with pipes and signals.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Finished, root, Session } from "../support/session.ts";

const session = new Session();
const folder = session.folder("streams");
const program = `import { method, run, service } from "@wherry/service";
await run(service("numbers", { methods: {
  count: method({ stream: "out", *handler({ to }: { to: number }) { for (let n = 1; n <= to; n++) yield n; } }),
  ticks: method({ stream: "out", endless: true, async *handler(_: unknown, { signal, log }) {
    try { for (let n = 1; ; n++) yield n; } finally { log.info({ aborted: signal.aborted }, "ticks ended"); }
  } }),
  sum: method({ stream: "in", handler: async (items: AsyncIterable<number>) => { let sum = 0; for await (const n of items) sum += n; return sum; } }),
  echo: (body: unknown) => body,
} }));
`;

beforeAll(async () => {
  writeFileSync(join(folder, "numbers.ts"), program);
  const { code, stdout, stderr } = await session.run("up", "--detach", join(folder, "numbers.ts"));
  expect(code, stdout + stderr).toBe(0);
});
afterAll(() => session.close());

const wherry = join(root, "packages/cli/bin/wherry.js");
const shell = (line: string): Promise<Finished> =>
  session.start("bash", ["-c", `set -o pipefail; wherry() { ${process.execPath} ${wherry} "$@"; }; ${line}`]).finished;

test("items are printed as they come, and taken from a pipe", async () => {
  expect(await shell(`wherry call numbers count '{"to":3}'`)).toEqual({ code: 0, stdout: "1\n2\n3\n", stderr: "" });
  expect(await shell("printf '1\\n2\\n3\\n' | wherry call numbers sum")).toMatchObject({ code: 0, stdout: "6\n" });
  expect(await shell("printf '1\\n2\\n' | wherry call numbers sum -")).toMatchObject({ code: 0, stdout: "3\n" });
  expect(await shell(`printf '{"a":1}' | wherry call numbers echo -`)).toMatchObject({ code: 0 });
  expect(await shell("echo nonsense | wherry call numbers sum")).toMatchObject({ code: 2, stdout: "" });
});

test("Ctrl-C ends an endless one at both sides; so does a reader that has enough", async () => {
  const running = session.start(process.execPath, [wherry, "call", "numbers", "ticks"]);
  await running.until(/^3$/m);
  const { code, stderr } = await running.stop("SIGINT");
  expect([code, stderr]).toEqual([130, "cancelled\n"]);
  expect((await shell("wherry call numbers ticks | head -n 2")).stdout).toBe("1\n2\n");
  const ended = async (): Promise<number> =>
    (await session.kubectl("logs", "-l", "app.kubernetes.io/name=numbers")).split("ticks ended").length - 1;
  await expect.poll(ended).toBe(2);
});

test("a deadline that is given is the stream's own", async () => {
  const { code, stderr } = await shell("wherry call numbers ticks --deadline 300ms > /dev/null");
  expect(code).toBe(1);
  expect(stderr).toContain("DEADLINE_EXCEEDED: the stream had not ended within 300 ms");
});
