// A service started by the real npm, as a process and as the first one of a container.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test } from "vitest";

const hasNpm = spawnSync("npm", ["--version"]).status === 0;
if (!hasNpm) console.warn("SKIPPED: the tests of `npm start` need npm (Debian: apt install npm)");
const pidNamespace = ["unshare", "--user", "--pid", "--fork", "--kill-child"];
const hasNamespaces = hasNpm && spawnSync("env", [...pidNamespace, "true"]).status === 0;
if (!hasNamespaces) console.warn("SKIPPED: the tests as PID 1 need npm, `unshare` and user namespaces");

const folder = mkdtempSync(join(tmpdir(), "wherry-npm-"));
mkdirSync(join(folder, "node_modules/@wherry"), { recursive: true });
symlinkSync(join(import.meta.dirname, "../.."), join(folder, "node_modules/@wherry/service"));
writeFileSync(
  join(folder, "shop.mjs"),
  `import { run, service } from "@wherry/service"; await run(service("shop", { methods: { a: () => 1 } }));`,
);
const command = `"${process.execPath}" shop.mjs --port 0 --admin-port 0`;
writeFileSync(
  join(folder, "package.json"),
  JSON.stringify({ type: "module", scripts: { start: `exec ${command}`, shell: `${command}; exit $?` } }),
);
afterAll(() => rmSync(folder, { recursive: true }));

const running = new Set<ReturnType<typeof spawn>>();
afterEach(() => {
  for (const child of running) child.kill("SIGKILL");
  running.clear();
});

function start(as: readonly string[], script: string) {
  const [program, args] = [
    as[0] ?? "npm",
    [...as.slice(1), ...(as.length > 0 ? ["npm"] : []), "run", "--silent", script],
  ];
  const env = { ...process.env, npm_config_update_notifier: "false", npm_config_cache: join(folder, "cache") };
  const child = spawn(program, args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  let output = "";
  child.stdout.on("data", (bytes: Buffer) => (output += bytes.toString()));
  const exit = once(child, "exit") as Promise<[number | null, string | null]>;
  return { child, output: () => output, exit };
}

describe("SIGTERM to `npm start`", () => {
  test.skipIf(!hasNpm)("drains the service that took the shell's place", async () => {
    const { child, output, exit } = start([], "start");
    await expect.poll(output).toContain("listens on");
    child.kill("SIGTERM");
    expect((await exit)[0]).toBe(0);
    expect(output()).toContain("drained; ending");
    expect(output()).not.toContain("npm's shell");
  });

  test.skipIf(!hasNpm)("drains the service whose shell dies of it, and warned of that before", async () => {
    const { child, output } = start([], "shell");
    await expect.poll(output).toContain("listens on");
    expect(output()).toContain("npm's shell keeps SIGTERM to itself");
    child.kill("SIGTERM");
    await expect.poll(output).toContain("drained; ending");
  });

  test.skipIf(!hasNamespaces)("drains the service as a container's first process", async () => {
    const { child, output, exit } = start(pidNamespace, "start");
    await expect.poll(output).toContain("listens on");
    // unshare passes no signal on: its only child is the one.
    const [pid] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").split(" ");
    process.kill(Number(pid), "SIGTERM");
    expect((await exit)[0]).toBe(0);
    expect(output()).toContain("drained; ending");
  });
});
