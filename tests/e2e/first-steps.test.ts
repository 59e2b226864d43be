// What a new user does with nothing but the README: a service file of one's own, edited, broken, mended; and the mistakes on
// the way. One cluster for the whole file: the tests are one session, in order.
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isReady, type PodView, processesOf, root, Session } from "../support/session.ts";

const session = new Session();
// Outside of the repository: no node_modules above it.
const folder = session.folder("shop");
const shop = join(folder, "shop.ts");
const write = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const price = (text: string): string => write("price.ts", `export const price: ${text};\n`);
const up = (...args: string[]): ReturnType<Session["run"]> => session.run("up", "--detach", ...args);
const answer = async (): Promise<string> => (await session.run("call", "shop", "price")).stdout.trim();
const pods = async (selector: string): Promise<PodView[]> =>
  (await session.get<{ items: PodView[] }>("pods", "-l", selector)).items;

beforeAll(async () => {
  write(
    "shop.ts",
    'import { run, service } from "@wherry/service";\nimport { price } from "./price.ts";\nawait run(service("shop", { methods: { price: () => price } }));\n',
  );
  price("number = 1");
  const { code, stdout, stderr } = await up(shop, "--replicas", "2");
  expect(code, stdout + stderr).toBe(0);
});
afterAll(() => session.close());

describe("a service file outside of any project", () => {
  test("finds Wherry's own packages, and starts without a warning", async () => {
    expect(await answer()).toBe("1");
    expect(await session.kubectl("get", "events", "--field-selector", "type=Warning,reason!=Unhealthy")).toBe("");
  });

  test("that is edited, in a file that it imports, is a new version which rolls out", async () => {
    price("number = 2");
    const { code, stdout, stderr } = await up(shop, "--replicas", "2");
    expect(code, stdout + stderr).toBe(0);
    expect(stderr).toMatch(/deployment\/shop configured/);
    await expect.poll(answer).toBe("2");
  });

  test("that is broken is not ready: the error and its place are told, and the version before serves", async () => {
    price("= 3");
    // Two crashes are there after as many tries as the machine needs; without a limit of its own, `up` waits for a third one.
    await expect
      .poll(() => up(shop, "--replicas", "2", "--timeout", "3s"))
      .toMatchObject({ code: 1, stderr: expect.stringMatching(/^ {2}SyntaxError.* \(.*price\.ts:1\)$/m) });
    expect(await answer()).toBe("2");
  });

  test("and does not fail an `up` of nothing, which says so", async () => {
    const { code, stdout, stderr } = await up();
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/note: .*not all.*\n.*shop-.*CrashLoopBackOff/);
    expect(stdout).toMatch(/not all ready/);
  });

  test("that is mended is judged by itself, not by the pods before it", async () => {
    price("number = 4");
    const { code, stdout, stderr } = await up(shop, "--replicas", "2");
    expect(code, stdout + stderr).toBe(0);
    await expect.poll(answer).toBe("4");
  });
});

test("logs show the run before a restart as well, in order", async () => {
  const [pod] = (await pods("app.kubernetes.io/name=shop")).filter(
    ({ metadata }) => metadata.deletionTimestamp === undefined,
  );
  const name = pod!.metadata.name;
  process.kill(processesOf(pod!.metadata.uid, readdirSync("/proc")).at(-1)!, "SIGKILL");
  await expect
    .poll(async () => (await session.get<PodView>("pod", name)).status.containerStatuses?.[0])
    .toMatchObject({ restartCount: 1, ready: true });
  const { stdout } = await session.run("logs", name);
  expect(stdout).toMatch(/listens on[^]*── restart 1 ──[^]*listens on/);
});

test("programs that want the same address, and one that ends at once, are told what to do; a call says at once why", async () => {
  const program = 'import socket,time; s=socket.create_server(("127.0.0.1",38917)); time.sleep(99)';
  const container = { name: "web", image: "python", command: ["python3", "-c", program] };
  const clash = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "clash" },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: "clash" } },
      template: { metadata: { labels: { app: "clash" } }, spec: { containers: [container] } },
    },
  };
  const idle = 'import { service } from "@wherry/service";\nservice("idle", { methods: { a: () => 1 } });\n';
  const paths = [write("clash.json", JSON.stringify(clash)), write("idle.ts", idle)];
  let told = "";
  // As often as the machine needs for both to end.
  const tried = async (): Promise<string> => {
    const { code, stderr } = await up(...paths, "--timeout", "4s");
    expect(code, stderr).toBe(1);
    return (told = stderr);
  };
  await expect.poll(tried).toMatch(/Address already in use[^]*hint: .*\$POD_IP/);
  if (!told.includes("exit code 0")) await expect.poll(tried).toMatch(/exit code 0/);
  expect(told).toMatch(/exit code 0[^]*hint: .*await run\(service/);
  const { stderr: refused } = await session.run("call", "idle", "x", "--deadline", "1h");
  expect(refused).toMatch(/no pod of service "idle" can answer:\n {2}idle-.*: CrashLoopBackOff: exit code 0/);
  expect((await session.run("call", "idle.kube-system", "x")).stderr).toMatch(/idle is in default/);
  await session.kubectl("delete", "deployment", "clash", "idle");
  await session.kubectl("delete", "service", "idle");
});

test("a program that listens elsewhere is told of while it is waited for, and at the end what to do; logs of all are by time", async () => {
  const program = 'require("node:http").createServer().listen(3000, () => console.log("up"))';
  const readinessProbe = { tcpSocket: { port: 8080 }, periodSeconds: 1 };
  const container = { name: "web", image: "node", command: ["node", "-e", program], readinessProbe };
  const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "other" }, spec: { containers: [container] } };
  const other = write("other.json", JSON.stringify(pod));
  const waiting = session.wherry(["up", "--detach", other, "--timeout", "5m"]);
  await waiting.until(/^waiting: pod other runs, but nothing answers on port 8080 yet .*it listens on 3000\)$/m);
  await waiting.stop("SIGINT");
  const { code, stderr } = await up(other, "--timeout", "1s");
  expect(code, stderr).toBe(1);
  expect(stderr).toMatch(
    /not ready within 1 s:\n {2}pod default\/other runs[^]*log lines:\n {4}up\n {2}hint: .*8080 of \$POD_IP/,
  );
  const { stdout } = await session.run("logs");
  expect(stdout.indexOf("listens on")).toBeGreaterThan(-1);
  // It came after the service, whatever they are called.
  expect(stdout.indexOf("│ up")).toBeGreaterThan(stdout.indexOf("listens on"));
  expect((await session.run("logs", "shpo")).stderr).toMatch(/did you mean shop\? There are: deployment\//);
  await session.kubectl("expose", "pod", "other", "--port=80", "--target-port=3000", "--selector=app=other");
  await session.kubectl("label", "pod", "other", "app=other");
  const { stderr: foreign } = await session.run("call", "other", "x", "--deadline", "500ms");
  expect(foreign).toMatch(/UNAVAILABLE: .*Service "other" has none of that name: it may answer another protocol/);
  await session.kubectl("delete", "service/other", "pod/other", "--grace-period=1");
});

test("what only a start decides is refused on a cluster that runs", async () => {
  for (const option of [["--nodes", "3"], ["--runtime", "simulated"], ["--ephemeral"]]) {
    const { code, stderr } = await up(...option);
    expect(code, option.join(" ")).toBe(3);
    expect(stderr).toContain(option.join(" "));
  }
  expect((await up("--nodes", "1")).code).toBe(0);
});

test("a body comes from stdin with `-`", async () => {
  const mirror = write(
    "mirror.ts",
    'import { run, service } from "@wherry/service";\nawait run(service("mirror", { methods: { same: (body: unknown) => body } }));\n',
  );
  const { code, stdout: said } = await up(mirror);
  expect(code, said).toBe(0);
  expect(said).toMatch(/^ {2}From before, and still running: shop$/m);
  const wherry = join(root, "packages/cli/bin/wherry.js");
  const line = `echo '{"a":1}' | "$0" "$1" call mirror same -`;
  const { stdout } = await session.start("/bin/sh", ["-c", line, process.execPath, wherry]).finished;
  expect(JSON.parse(stdout)).toEqual({ a: 1 });
});

test("a killed daemon is exit code 5, and its pods are adopted by the next `up`", async () => {
  const { pid } = await session.status();
  process.kill(pid, "SIGKILL");
  for (const args of [["status"], ["call", "shop", "price"], ["logs"]]) {
    const { code, stderr } = await session.run(...args);
    expect(code, args.join(" ")).toBe(5);
    expect(stderr).toMatch(/daemon of cluster "default" died.*pods live on.*wherry up/);
  }
  expect((await up()).code).toBe(0);
  expect((await pods("app.kubernetes.io/name=shop")).every(isReady)).toBe(true);
});
