// What is published runs: the packages as `npm run pack` makes them, unpacked into a project of their own, far from the sources. Only what
// they depend on is the repository's.
import { execFileSync, spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root, Session } from "../support/session.ts";

const project = mkdtempSync(join(tmpdir(), "wherry-packed-"));
const modules = join(project, "node_modules");
const session = new Session();

/** A line of the log of a service that listens. */
interface Listens {
  readonly endpoint: string;
  readonly admin: string;
}

beforeAll(() => {
  const build = join(project, "build");
  execFileSync(process.execPath, [join(root, "scripts/pack.mjs"), build], { stdio: ["ignore", "ignore", "inherit"] });
  for (const tarball of readdirSync(build).filter((name) => name.endsWith(".tgz"))) {
    const name = tarball.replace(/-\d.*$/, "").replace(/^wherry-/, "@wherry/");
    mkdirSync(join(modules, name), { recursive: true });
    execFileSync("tar", ["xzf", join(build, tarball), "-C", join(modules, name), "--strip-components", "1"]);
  }
  // pino is inside its package; what is not there is not found by accident.
  for (const name of readdirSync(join(root, "node_modules")))
    if (!["@wherry", "@wherry-examples", "wherry", "pino", ".bin"].includes(name))
      symlinkSync(join(root, "node_modules", name), join(modules, name));
  writeFileSync(join(project, "package.json"), '{ "name": "echo", "type": "module" }');
  copyFileSync(join(root, "examples/echo/echo.ts"), join(project, "echo.ts"));
}, 240_000);

afterAll(async () => {
  await session.close();
  rmSync(project, { recursive: true });
});

/** A program of the project, to its end. */
function ran(program: string, ...args: string[]): string {
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module-typescript", "-", ...args], {
    cwd: project,
    input: program,
    encoding: "utf8",
  });
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  return stdout;
}

test("the ten-line echo serves a client, says how it is and how it did, and leaves at SIGTERM", async () => {
  const echo = session.start(process.execPath, [join(project, "echo.ts"), "--port", "0", "--admin-port", "0"]);
  const { endpoint, admin } = JSON.parse((await echo.until(/^\{.*"endpoint".*\}$/m))[0]) as Listens;
  const client = `
    import { connect } from "@wherry/service";
    await using client = connect("echo", { endpoints: [process.argv[2] ?? ""] });
    console.log(await client.call("echo", "hello"), Object.keys(await client.call("$stats") as object).includes("uptimeMs"));`;
  expect(ran(client, endpoint)).toBe("hello true\n");
  expect(await (await fetch(`${admin}/metrics`)).text()).toMatch(/wherry_requests_total\{.*method="echo".*\} 1/);
  expect(await echo.stop("SIGTERM")).toMatchObject({ code: 0, stderr: "" });
});

test("a service on a terminal's log, with HTTP, its pages and its watchdog", async () => {
  const program = join(project, "busy.ts");
  writeFileSync(
    program,
    `import { log, method, run, service } from "@wherry/service";
    log.info("{bytes} bytes", { bytes: 3 });
    const block = (ms: number) => { const end = performance.now() + ms; while (performance.now() < end); };
    await run(service("busy", { methods: { block: method({ handler: block, http: "POST /block" }) } }));`,
  );
  const args = ["--port", "0", "--admin-port", "0", "--http-port", "0", "--blocked-ms", "50", "--log-level", "debug"];
  const busy = session.start(process.execPath, [program, ...args]);
  const { http } = JSON.parse((await busy.until(/^\{.*"endpoint".*\}$/m))[0]) as { readonly http: string };
  expect(busy.stdout).toMatch(/"msg":"3 bytes"/);
  expect(await (await fetch(http)).text()).toMatch(/<html/);
  expect(await (await fetch(`${http}/openapi.json`)).json()).toMatchObject({ paths: { "/block": {} } });
  // The first busy seconds start the thread; the next block is named by it, or one after that, where it has no turn of its own.
  const json = { "content-type": "application/json" };
  const block = async (): Promise<void> => {
    const { status } = await fetch(`${http}/block`, { method: "POST", headers: json, body: "500" });
    expect(status).toBeLessThan(300);
  };
  while (!busy.stdout.includes("watched from now on")) await block();
  while (!/"stack":.*busy\.ts/.test(busy.stdout)) await block();
  await busy.stop("SIGTERM");
});

test("a service in memory, a store of keys, and the probe", () => {
  const program = `
    import { method, service } from "@wherry/service";
    import { memoryStore, sqliteStore } from "@wherry/service/dedupe";
    import { probe } from "@wherry/service/probe";
    import { testClient } from "@wherry/service/testing";
    const place = method({ keyed: true, handler: (n: number) => n + 1 });
    const orders = service("orders", { dedupe: memoryStore(), methods: { place } });
    await using client = await testClient(orders);
    console.log(await client.place(1, { key: "a" }), typeof sqliteStore, typeof probe);`;
  expect(ran(program)).toBe("2 function function\n");
});

test("the first program of zmtp's README, and a CURVE key", () => {
  const readme = readFileSync(join(modules, "@wherry/zmtp/README.md"), "utf8");
  const [, program = ""] = /```ts\n(.*?)```/s.exec(readme) ?? [];
  expect(ran(program)).toBe("sent\n[ 'hello', 'world' ]\n{ undelivered: 0 }\n");
  const key = `import { curveKeyPair } from "@wherry/zmtp/curve"; console.log(curveKeyPair().publicKey.length);`;
  expect(ran(key)).toBe("40\n");
});

test("`wherry up` of the packed command line runs a service file, and `wherry call` is answered", async () => {
  const wherry = (...args: string[]): ReturnType<Session["start"]> =>
    session.start(process.execPath, [join(modules, "wherry/bin/wherry.js"), ...args]);
  const up = wherry("up", join(project, "echo.ts"), "--detach");
  expect(await up.finished).toMatchObject({ code: 0, stderr: "" });
  expect(await wherry("call", "echo", "echo", "hello").finished).toMatchObject({ code: 0, stdout: "hello\n" });
  expect(await wherry("down", "--purge").finished).toMatchObject({ code: 0 });
});

test("nothing that is published is a map, and no declaration needs a package that is not installed", () => {
  for (const name of ["core", "zmtp", "kube", "service", "cluster"]) {
    const files = readdirSync(join(modules, "@wherry", name, "dist"), { recursive: true, encoding: "utf8" });
    expect(files.filter((file) => file.endsWith(".map"))).toEqual([]);
  }
  writeFileSync(
    join(project, "types.ts"),
    'export { run } from "@wherry/service";\nexport * from "@wherry/service/testing";\n',
  );
  const flags = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2024", "--types", "node"];
  const checked = spawnSync(join(root, "node_modules/.bin/tsc"), [...flags, "types.ts"], {
    cwd: project,
    encoding: "utf8",
  });
  expect(checked.stdout).toBe("");
});
