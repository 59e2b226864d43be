// A container's end is the end of what it has started, also of what has left its session and its environment.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SystemClock } from "@wherry/core";
import { afterEach, beforeEach, expect, it } from "vitest";
import { eventually } from "../../network/eventually.suite.ts";
import { isRunning } from "../test-pods.suite.ts";
import { descendantsOf } from "./descendants.ts";
import { processRuntime } from "./process-runtime.ts";
import type { Container } from "./types.ts";

let folder: string;
let container: Container;
let escaped: number;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wherry-escaped-"));
  container = await processRuntime({ clock: new SystemClock() }).start({
    id: `escaped-${process.pid}/main/${folder}`,
    folder,
    argv: ["sh", "-c", `setsid env -i sh -c 'echo $$; exec sleep 300' & exec sleep 300`],
    env: { PATH: process.env["PATH"] ?? "" },
    workingDir: "/",
    podIP: "127.0.0.1",
  });
  const output = async (): Promise<string> => await readFile(join(folder, "stdout"), "utf8");
  await eventually(output).toMatch(/^\d+\n$/);
  escaped = Number(await output());
});
afterEach(async () => {
  container.killAll();
  await container.exited;
  await rm(folder, { recursive: true });
});

it.each([
  ["asked to end", () => container.signal("SIGTERM")],
  ["killed", () => container.killAll()],
])("takes a process of another session without our mark along when it is %s", async (_how, end) => {
  const { state } = container;
  expect(state.phase === "running" && descendantsOf(state.pid).map(({ pid }) => pid)).toContain(escaped);
  expect(isRunning(escaped)).toBe(true);
  end();
  await container.exited;
  await eventually(() => isRunning(escaped)).toBe(false);
});

it("is not seen in a process that has ended", async () => {
  const { state } = container;
  container.killAll();
  await container.exited;
  expect(state.phase === "running" && descendantsOf(state.pid)).toEqual([]);
});
