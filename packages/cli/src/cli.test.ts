// The command as users run it, as processes of its own, in a state folder of its own. What needs a running cluster and a
// real kubectl is in tests/e2e.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const bin = join(import.meta.dirname, "../bin/wherry.js");
let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), "wherry-cli-"));
});
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const wherry = (...args: string[]): Promise<Said> => wherryWith({}, ...args);

async function wherryWith(more: Readonly<Record<string, string>>, ...args: string[]): Promise<Said> {
  const env = { ...process.env, WHERRY_HOME: join(scratch, "home"), NO_COLOR: "1", ...more };
  const child = spawn(process.execPath, [bin, ...args], { cwd: scratch, env, stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [code] = (await once(child, "close")) as [number];
  return { code, stdout, stderr };
}

const file = (name: string, text: string): string => {
  writeFileSync(join(scratch, name), text);
  return name;
};

describe("help", () => {
  const commands = [
    "up",
    "init",
    "manifest",
    "down",
    "status",
    "list",
    "doctor",
    "call",
    "describe",
    "dashboard",
    "repl",
    "dead-letters",
    "keygen",
    "probe",
    "kubeconfig",
    "kubectl",
    "logs",
  ];
  test("lists every command and every exit code", async () => {
    const { code, stdout } = await wherry("--help");
    expect(code).toBe(0);
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^  ${command} `, "m"));
    expect(stdout).toMatch(/Exit codes:/);
  });

  test.each(commands)("of %s has examples, and --name where it is about a cluster", async (command) => {
    const { code, stdout } = await wherry(command, "--help");
    expect(code).toBe(0);
    expect(stdout).toMatch(/Examples:\n {2}/);
    expect(/--name <cluster>/.test(stdout)).toBe(!["init", "manifest"].includes(command));
  });
});

describe("mistakes in the command line are exit code 2, with what to do", () => {
  test.each([
    [["upp"], /Did you mean up\?/],
    [["status", "--nmae", "x"], /Did you mean --name\?\)\nSee "(npx )?wherry status --help"/],
    [["stats"], /Did you mean status\?\)\nSee "(npx )?wherry --help"/],
    [["start"], /unknown command 'start'\nSee/],
    [["status", "--output", "xml"], /json, yaml, name/],
    [["call", "echo"], /missing required argument 'method'/],
    [["up", "no/such/path"], /nothing at no\/such\/path/],
    [["up", "--replicas", "many"], /--replicas takes a whole number/],
    [["probe", "127.0.0.1:1", "--timeout", "soon"], /--timeout takes a time/],
    [["probe", "nowhere"], /expected tcp:\/\/127\.0\.0\.1:5555/],
    [["up", ""], /PATH is empty/],
    [["up", "--name", "A B"], /cluster's name is lower-case letters.*"A B"/],
    [["call", "kubernetes", "get"], /"kubernetes" is the cluster's API.*wherry kubectl/],
    [["call", "echo", "echo", "{a:1}"], /is not JSON: .*--text/],
    [["call", "echo", "echo", "1", "--key", ""], /--key is empty/],
    [
      ["probe", "tcp://127.0.0.1:1", "--curve-server-key", "no.pub"],
      /there is no file .*no\.pub: "(npx )?wherry keygen"/,
    ],
    [["keygen", "--public-of", "no.secret"], /there is no file .*no\.secret/],
    [["init", "shop", "--from", "nowhere"], /--from nowhere .*no such folder.*npm run pack/],
    [["manifest", ".", "--image", "Not An Image"], /--image takes an image's name/],
    [["dead-letters", "a", "b", "--broker", "http://x"], /expected sqlite:.*scheme http/],
    [["logs", "-l", "a in"], /--selector takes labels/],
  ])("%j", async (args, message) => {
    const { code, stdout, stderr } = await wherry(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(message);
  });
});

test("a PATH that is a link to nowhere, and a wherry.yaml that is none, are told as what they are", async () => {
  symlinkSync("nowhere", join(scratch, "dangling.ts"));
  expect((await wherry("up", "dangling.ts")).stderr).toMatch(/dangling\.ts is a link that leads nowhere/);
  mkdirSync(join(scratch, "broken"));
  file("broken/wherry.yaml", "images: [\n");
  file("broken/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n");
  expect((await wherry("up", "broken")).stderr).toMatch(/wherry\.yaml is no YAML: .* at line 2, column 1\n$/);
});

test("commands to try are told as they can be typed: by npx where it was called so", async () => {
  const { stderr } = await wherryWith({ npm_command: "exec" }, "status", "--name", "nobody");
  expect(stderr).toMatch(/start one with "npx wherry up --name nobody"/);
  expect((await wherryWith({ npm_command: "exec" }, "stats")).stderr).toMatch(/See "npx wherry --help"/);
});

test("manifest gives no two programs the same image", async () => {
  for (const name of ["one", "two"])
    file(
      `${name}.ts`,
      `import { run, service } from "@wherry/service"; await run(service("${name}", { methods: {} }));`,
    );
  const both = await wherry("manifest", "one.ts", "two.ts", "--production", "--image", "reg/x:1");
  expect(both).toMatchObject({
    code: 2,
    stdout: "",
    stderr: expect.stringMatching(
      /is the image of one program, and there are 2: .*--image one=IMAGE --image two=IMAGE/,
    ),
  });
  const each = await wherry("manifest", "one.ts", "two.ts", "--image", "two=reg/two:2", "--image", "one=reg/one:1");
  expect(each.stdout.match(/image: .*/g)).toEqual(["image: reg/one:1", "image: reg/two:2"]);
  expect(await wherry("manifest", "one.ts", "--production", "--image", "reg/x:1")).toMatchObject({ code: 0 });
});

test("a folder where a file of the state belongs, and a home that can't be made, are told in a line", async () => {
  const env = (home: string): Record<string, string> => ({ WHERRY_HOME: home });
  const home = join(scratch, "odd");
  mkdirSync(join(home, "default", "kubeconfig"), { recursive: true, mode: 0o700 });
  const odd = await wherryWith(env(home), "up", "--detach");
  expect(odd).toMatchObject({ code: 1, stderr: expect.stringMatching(/has a folder where kubeconfig belongs.*\n$/) });
  const proc = await wherryWith(env("/proc/wherry/home"), "up", "--detach");
  expect(proc).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/state folder \/proc\/wherry\/home can't be made/),
  });
});

describe("an `up` that can't be done leaves nothing behind", () => {
  const untouched = (): void => {
    expect(existsSync(join(scratch, "home")) ? readdirSync(join(scratch, "home")) : []).toEqual([]);
  };

  test("an unknown image: says what to add", async () => {
    const container = { name: "main", image: "acme/nothing:1" };
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "p" }, spec: { containers: [container] } };
    const { code, stderr } = await wherry("up", file("unknown.json", JSON.stringify(pod)));
    expect(code, stderr).toBe(1);
    expect(stderr).toMatch(/ErrImagePull: image "acme\/nothing:1".*wherry\.yaml/);
    untouched();
  });

  test("a field that is none: says file, document and field", async () => {
    const text =
      "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: b }\ndta: {}\n";
    const { code, stderr } = await wherry("up", file("typo.yaml", text));
    expect(code, stderr).toBe(1);
    expect(stderr).toMatch(/typo\.yaml, document 2: .*unknown field "dta"/);
    untouched();
  });

  test("a port that is taken: says which, and what else to do", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    const { code, stderr } = await wherry("up", "--port", String(port));
    taken.close();
    expect(code, stderr).toBe(1);
    expect(stderr).toMatch(new RegExp(`port ${port} .*--port`));
    untouched();
  });
});

test("wherry doctor looks, makes nothing, and its exit code says whether something is wrong", async () => {
  const home = join(scratch, "never");
  const well = await wherryWith({ WHERRY_HOME: home }, "doctor");
  expect(well).toMatchObject({ code: 0, stderr: "" });
  expect(well.stdout).toMatch(/^✓ {2}node .*\n✓ {2}state .*free.*\n✓ {2}addresses .*\n. {2}kubectl .*/);
  expect(well.stdout).toMatch(/! {2}cluster +no cluster "default" is running: start one with "(npx )?wherry up"/);
  expect(existsSync(home)).toBe(false);
  const ill = await wherryWith({ WHERRY_HOME: "/proc/never" }, "doctor", "--output", "json");
  expect(ill.code).toBe(1);
  expect(JSON.parse(ill.stdout)).toContainEqual(
    expect.objectContaining({ name: "state", state: "bad", said: expect.stringMatching(/set WHERRY_HOME/) }),
  );
});

test("a probe's exit code is its answer", async () => {
  // It says what its tries met: one of them has to end in time.
  await expect
    .poll(() => wherry("probe", "tcp://127.0.0.1:1", "--timeout", "100ms"))
    .toMatchObject({ code: 1, stderr: expect.stringMatching(/ECONNREFUSED/) });
});

test("a daemon that was killed is exit code 5, and it is said what to do", async () => {
  const folder = join(scratch, "home", "dead");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const info = { pid: 2 ** 22 + 1, startTime: "1", server: "https://127.0.0.1:1", name: "dead", port: 1, slot: 1 };
  writeFileSync(join(folder, "daemon.json"), JSON.stringify(info));
  for (const args of [["status"], ["logs"], ["call", "echo", "echo"], ["kubeconfig"]]) {
    const { code, stderr } = await wherry(...args, "--name", "dead");
    expect(code, args.join(" ")).toBe(5);
    expect(stderr).toMatch(/daemon of cluster "dead" died.*wherry up --name dead/);
  }
  expect((await wherry("list")).stdout).toMatch(/dead +daemon died/);
  expect((await wherry("status", "--name", "nope")).stderr).toMatch(/There are: dead/);
  rmSync(folder, { recursive: true });
});

test("commands for a cluster that doesn't run are exit code 4, and say how to start one", async () => {
  for (const args of [["status"], ["logs"], ["call", "echo", "echo"], ["kubectl", "get", "pods"], ["kubeconfig"]]) {
    const { code, stderr } = await wherry(...args);
    expect(code, args.join(" ")).toBe(4);
    expect(stderr).toMatch(/wherry up/);
  }
  expect((await wherry("down")).code).toBe(0);
});
