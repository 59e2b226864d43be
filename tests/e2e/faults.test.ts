// What goes wrong gets one clear message that says what to do, an exit code, and leaves nothing half-made.
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PodView, Session, wherryBin } from "../support/session.ts";

const session = new Session();
beforeAll(async () => {
  const { code, stdout, stderr } = await session.run("up", "--detach");
  expect(code, stdout + stderr).toBe(0);
});
afterAll(() => session.close());

const pod = (name: string, container: object): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name },
    spec: { terminationGracePeriodSeconds: 1, containers: [{ name: "main", ...container }] },
  });

async function apply(name: string, text: string): Promise<string> {
  const path = join(session.home, `${name}.json`);
  writeFileSync(path, text);
  await session.kubectl("apply", "-f", path);
  return path;
}

const waitingReason = async (name: string): Promise<string | undefined> =>
  (await session.get<PodView>("pod", name)).status.containerStatuses?.[0]?.state.waiting?.reason;

test("a daemon that is stopped is told of after seconds, and ended by `wherry down` all the same", async () => {
  expect((await session.run("up", "--detach", "--name", "frozen")).code).toBe(0);
  const { pid } = JSON.parse((await session.run("status", "--name", "frozen", "--output", "json")).stdout) as {
    pid: number;
  };
  process.kill(pid, "SIGSTOP");
  const answers = await Promise.all(
    [["status"], ["call", "echo", "echo"], ["logs"], ["up", "--detach", "examples/echo"]].map((args) =>
      session.run(...args, "--name", "frozen"),
    ),
  );
  for (const { code, stderr } of answers) {
    expect(code, stderr).toBe(5);
    expect(stderr).toMatch(new RegExp(`pid ${pid}.* did not answer within 5 s.*wherry down --name frozen`));
  }
  expect(await session.run("down", "--name", "frozen", "--purge")).toMatchObject({ code: 0 });
});

test("`wherry down` while a cluster is only starting waits for it, and stops it", async () => {
  const up = session.wherry(["up", "--name", "hasty"]);
  // From the moment on that it is being started.
  await expect.poll(() => existsSync(join(session.home, "hasty", "starting.json")), { interval: 2 }).toBe(true);
  const down = await session.run("down", "--name", "hasty");
  expect(down).toMatchObject({ code: 0, stdout: expect.stringMatching(/stopped "hasty"/) });
  await up.finished;
  expect(up.output).not.toContain("bug in wherry");
  expect(JSON.parse((await session.run("list", "--output", "json")).stdout)).not.toContainEqual(
    expect.objectContaining({ name: "hasty", running: true }),
  );
});

test("a disk that takes nothing is told of in one line, and no empty cluster is left on it", async () => {
  const home = join(session.home, "full");
  const line = 'ulimit -f 0; exec "$0" "$1" up --detach';
  const up = session.start("bash", ["-c", line, process.execPath, wherryBin], { WHERRY_HOME: home });
  const { code, stderr } = await up.finished;
  expect(code, stderr).toBe(1);
  expect(stderr).toMatch(/^wherry: the state folder .* can't be written \(EFBIG\).*\n$/);
  expect(existsSync(join(home, "default"))).toBe(false);
});

describe("pods", () => {
  test("one that crashes at start goes to CrashLoopBackOff, and its last log lines are one command away", async () => {
    await apply("crasher", pod("crasher", { image: "busybox", command: ["sh", "-c", "echo last words; exit 3"] }));
    await expect.poll(() => waitingReason("crasher")).toBe("CrashLoopBackOff");
    expect(await session.kubectl("logs", "crasher")).toContain("last words");
    expect(await session.kubectl("logs", "crasher", "--previous")).toContain("last words");
    expect((await session.run("logs", "crasher")).stdout).toContain("last words");
    const described = await session.kubectl("describe", "pod", "crasher");
    expect(described).toMatch(/Exit Code:\s+3/);
    expect(described).toMatch(/Back-off|BackOff/);
  });

  test("an unknown image is ErrImagePull, with a message that says what to add", async () => {
    await apply("unknown", pod("unknown", { image: "example/nobody-knows:1" }));
    await expect.poll(() => waitingReason("unknown")).toMatch(/^(ErrImagePull|ImagePullBackOff)$/);
    const view = await session.get<PodView>("pod", "unknown");
    expect(JSON.stringify(view) + (await session.kubectl("describe", "pod", "unknown"))).toMatch(
      /wherry\.yaml|wherry up/,
    );
  });

  test("a port that is taken is told in the pod's log, as one record, with a non-zero exit", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((ready) => taken.once("listening", ready));
    const { port } = taken.address() as { port: number };
    const echo = session.start(process.execPath, ["examples/echo/echo.ts", "--port", String(port)]);
    const { code, stdout, stderr } = await echo.finished;
    taken.close();
    expect(code).toBeGreaterThan(0);
    expect((stdout + stderr).trim().split("\n")).toHaveLength(1);
    expect(stdout + stderr).toContain(String(port));
  });
});

describe("commands", () => {
  test("a manifest with a typo is refused with the field's path", async () => {
    const path = join(session.home, "typo.yaml");
    writeFileSync(path, pod("typo", { imagee: "busybox" }));
    const kubectl = await session.tryKubectl("apply", "-f", path);
    expect(kubectl.code).toBe(1);
    expect(kubectl.stderr).toMatch(/unknown field "spec\.containers\[0\]\.imagee"/);
    const up = await session.run("up", "--detach", path);
    expect(up.code).toBeGreaterThan(0);
    expect(up.stderr).toMatch(/imagee/);
    expect((await session.tryKubectl("get", "pod", "typo")).stderr).toMatch(/NotFound/);
  });

  test("a second `wherry up` of the same name says that it runs, and how to go on", async () => {
    const second = await session.run("up");
    expect(second.code).toBe(3);
    expect(second.stderr).toMatch(/already running/);
    expect(second.stderr).toMatch(/wherry down/);
  });

  test("an unwritable state folder is one line, and exit code 1 or more", async (context) => {
    if (process.getuid?.() === 0) {
      // Root writes everywhere: a state folder below a file is as unwritable as it gets.
      const file = join(session.home, "a-file");
      writeFileSync(file, "");
      const { code, stderr } = await session.wherry(["up", "--detach"], { WHERRY_HOME: join(file, "home") }).finished;
      expect(code).toBeGreaterThan(0);
      expect(stderr).toMatch(/WHERRY_HOME/);
      return;
    }
    const home = join(session.home, "read-only");
    mkdirSync(home);
    chmodSync(home, 0o500);
    const { code, stderr } = await session.wherry(["up", "--detach"], { WHERRY_HOME: home }).finished;
    expect(code).toBeGreaterThan(0);
    expect(stderr).toMatch(/WHERRY_HOME/);
    await context.annotate("ran as an ordinary user");
  });

  test("a path that is not there, an unknown command and an unknown option say so", async () => {
    for (const args of [["up", "--detach", "no/such/path"], ["upp"], ["status", "--nmae", "x"]]) {
      const { code, stderr } = await session.run(...args);
      expect(code, args.join(" ")).toBeGreaterThan(0);
      expect(stderr.trim().length, args.join(" ")).toBeGreaterThan(10);
      expect(stderr).not.toMatch(/\n\s+at /);
    }
  });

  test("commands that need a cluster say how to start one when none runs", async () => {
    for (const command of [["status"], ["call", "echo", "echo", "x"], ["logs"], ["kubectl", "get", "pods"]]) {
      const { code, stderr } = await session.run(...command, ...(command[0] === "kubectl" ? [] : ["--name", "other"]));
      if (command[0] === "kubectl") continue;
      expect(code, command.join(" ")).toBeGreaterThan(0);
      expect(stderr).toMatch(/wherry up/);
    }
  });
});
