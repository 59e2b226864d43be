// `wherry init`, as far as it needs no cluster: what it writes, what it refuses, and that what it wrote works with the repository's packages.
// tests/e2e has the rest: `wherry up` on it.
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseAllDocuments, parse } from "yaml";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseDockerfile } from "../../../cluster/src/daemon/images/dockerfile.ts";

const root = resolve(import.meta.dirname, "../../../..");
const bin = join(root, "packages/cli/bin/wherry.js");
let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "wherry-init-"));
  // Not published: found as any installed package is, in a folder above.
  symlinkSync(join(root, "node_modules"), join(cwd, "node_modules"));
});
afterEach(() => rmSync(cwd, { recursive: true, force: true }));

const run = (command: string, args: readonly string[], folder = cwd): { status: number | null; said: string } => {
  const env = {
    ...process.env,
    NO_COLOR: "1",
    WHERRY_HOME: join(cwd, "home"),
    NODE_OPTIONS: "",
    NODE_TEST_CONTEXT: undefined,
  };
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: folder, env, encoding: "utf8", timeout: 300_000 });
  return { status, said: stdout + stderr };
};
const wherry = (...args: string[]): ReturnType<typeof run> => run(process.execPath, [bin, ...args]);
const read = (path: string): string => readFileSync(join(cwd, path), "utf8");

describe.each([[["init", "shop"]], [["init", "shop", "--http"]]])("wherry %j", (args) => {
  test("makes a service whose test passes and whose types are right", { timeout: 600_000 }, () => {
    const made = wherry(...args);
    expect(made).toMatchObject({
      status: 0,
      said: expect.stringMatching(/made shop\/\. Next:\n {2}cd shop\n {2}npm test\n {2}.* up \. /),
    });
    const folder = join(cwd, "shop");
    const tested = run(process.execPath, ["--run", "test"], folder);
    expect(tested.status, tested.said).toBe(0);
    expect(tested.said).toMatch(/pass 2\n/);
    expect(run(join(root, "node_modules/.bin/tsc"), ["--project", folder]), "tsc").toEqual({ status: 0, said: "" });
  });

  test("whose image runs as a number, hears signals, and is what the manifest expects", () => {
    wherry(...args);
    const text = read("shop/Dockerfile");
    const image = parseDockerfile(text);
    expect(image).toMatchObject({ entrypoint: ["node", "main.ts"], cmd: [], workdir: "/app", user: "65532" });
    expect(image.env).toEqual({ NODE_ENV: "production" });
    expect(text.match(/^FROM /gm)).toHaveLength(2);
    const last = text.slice(text.lastIndexOf("\nFROM "));
    expect(last).not.toMatch(/^RUN |npm |:latest|sudo|ADD /m);
    expect(last).toMatch(/^STOPSIGNAL SIGTERM$/m);
    const documents = parseAllDocuments(read("shop/k8s/shop.yaml")).map((document) => document.toJS() as Node);
    expect(documents.map(({ kind }) => kind)).toEqual(["Deployment", "Service", "PodDisruptionBudget"]);
    const pod = (documents[0] as Node)["spec"].template.spec;
    expect(pod).toMatchObject({
      terminationGracePeriodSeconds: 15,
      securityContext: { runAsNonRoot: true, runAsUser: 65_532 },
    });
    const [container] = pod.containers;
    expect(container).toMatchObject({
      securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false },
    });
    expect(container.resources.limits).toEqual({ memory: "256Mi" });
    const containerPorts = container.ports.map(
      ({ containerPort }: { containerPort: number }) => `${containerPort}/tcp`,
    );
    expect(containerPorts).toEqual(image.expose);
    expect(containerPorts.includes("8080/tcp")).toBe(args.includes("--http"));
    const probes = [container.readinessProbe.tcpSocket.port, container.livenessProbe.httpGet.port];
    expect(container.ports.map(({ name }: { name: string }) => name)).toEqual(expect.arrayContaining(probes));
  });

  test("with the manifest that `wherry manifest` prints, but for the version's hash", () => {
    wherry(...args);
    const printed = wherry("manifest", "shop", "--production", "--replicas", "2", "--image", "shop:0.1.0");
    expect(printed.status, printed.said).toBe(0);
    const plain = (text: string): unknown[] =>
      parseAllDocuments(text.replace(/^ *annotations:\n *wherry\.dev\/content: .*\n/m, "")).map(
        (document) => document.toJS() as unknown,
      );
    expect(plain(printed.said)).toEqual(plain(read("shop/k8s/shop.yaml")));
  });
});

interface Node {
  readonly kind: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- what YAML holds, looked into along many paths
  readonly [key: string]: any;
}

test.each(["test", "start"])("npm %s says in one line that Node is too old, and fails", (script) => {
  wherry("init", "shop");
  const wanted = (JSON.parse(read("shop/package.json")) as Node)["engines"].node as string;
  const ours = JSON.parse(readFileSync(join(root, "packages/service/package.json"), "utf8")) as Node;
  expect(wanted).toBe(ours["engines"].node);
  expect(read("shop/.npmrc")).toBe("engine-strict=true\n");
  // Stands for an older Node: to package.json of a later time, this one is.
  writeFileSync(join(cwd, "shop/package.json"), read("shop/package.json").replace(wanted, ">=99.1"));
  expect(run(process.execPath, ["--run", script], join(cwd, "shop"))).toEqual({
    status: 1,
    said: `shop needs Node >=99.1, and this is ${process.versions.node}: install a newer one, https://nodejs.org\n`,
  });
});

test("its CI installs, checks and tests, and deploys nothing", () => {
  wherry("init", "shop");
  const { permissions, jobs } = parse(read("shop/.github/workflows/ci.yml")) as Node;
  expect(permissions).toEqual({ contents: "read" });
  const lines = jobs.test.steps.map((step: { run?: string; uses?: string }) => step.run ?? step.uses);
  expect(lines).toEqual(["actions/checkout@v4", "actions/setup-node@v4", "npm ci", "npm run check", "npm test"]);
});

test("what the image is built of leaves the tests and everything else out", () => {
  wherry("init", "shop");
  expect(read("shop/.dockerignore").split("\n").filter(Boolean)).toEqual([
    "*",
    "!package.json",
    "!package-lock.json",
    "!**/*.ts",
    "**/*.test.ts",
    "**/node_modules",
  ]);
});

describe("with the packages of a checkout", () => {
  const pack = (...names: string[]): string => {
    mkdirSync(join(cwd, "build"));
    for (const name of names) writeFileSync(join(cwd, "build", name), name);
    return "build";
  };
  const all = ["core", "kube", "service", "zmtp", "cluster"].map((name) => `wherry-${name}-0.1.0.tgz`);

  test("takes them along, and names them all, so that no registry is asked", () => {
    pack(...all, "wherry-0.1.0.tgz", "wherry-0.0.9.tgz", "other.tgz");
    expect(wherry("init", "shop", "--from", "build")).toMatchObject({
      status: 0,
      said: expect.stringMatching(/^made shop\/\. Next:\n {2}cd shop && npm install\n/),
    });
    expect(readdirSync(join(cwd, "shop/vendor")).sort()).toEqual([...all, "wherry-0.1.0.tgz"].sort());
    const { dependencies, devDependencies } = JSON.parse(read("shop/package.json")) as Node;
    const ours = Object.entries({ ...dependencies, ...devDependencies }).filter(([name]) => name.includes("wherry"));
    expect(ours).toHaveLength(6);
    for (const [name, from] of ours) expect(from, name).toMatch(/^file:vendor\/wherry-.*0\.1\.0\.tgz$/);
    expect(Object.keys(dependencies)).not.toContain("wherry");
    expect(read("shop/Dockerfile")).toMatch(/^COPY vendor \.\/vendor\nRUN npm ci/m);
    expect(read("shop/.dockerignore")).toMatch(/^!vendor$/m);
  });

  test("says which are missing, and makes nothing", () => {
    pack(...all);
    expect(wherry("init", "shop", "--from", "build")).toMatchObject({
      status: 2,
      said: expect.stringMatching(/has no package wherry: .*npm run pack/),
    });
    expect(wherry("init", "shop", "--from", "nowhere")).toMatchObject({ status: 2 });
    expect(existsSync(join(cwd, "shop"))).toBe(false);
  });

  test("makes nothing where they are found nowhere, and says how to go on", () => {
    rmSync(join(cwd, "node_modules"));
    expect(wherry("init", "shop", "--http")).toMatchObject({
      status: 2,
      said: expect.stringMatching(/npm's registry does not have .* init shop --http --from CHECKOUT\/build/),
    });
    expect(existsSync(join(cwd, "shop"))).toBe(false);
    pack(...all, "wherry-0.1.0.tgz");
    expect(wherry("init", "shop", "--http", "--from", "build")).toMatchObject({ status: 0 });
  });
});

test("nothing is overwritten, and a name that is none makes nothing", () => {
  writeFileSync(join(cwd, "shop"), "mine");
  expect(wherry("init", "shop")).toMatchObject({ status: 2, said: expect.stringMatching(/there is a shop already/) });
  expect(read("shop")).toBe("mine");
  for (const name of ["Shop", "1shop", "a/b", "..", "a_b", "", "x".repeat(64)])
    expect(wherry("init", name)).toMatchObject({
      status: 2,
      said: expect.stringMatching(/expected lower case letters/),
    });
  expect(wherry("init", "../shop").said).toMatch(/a path is not taken: go to the folder/);
  expect(readdirSync(cwd).sort()).toEqual(["node_modules", "shop"]);
  expect(existsSync(join(cwd, "home"))).toBe(false);
});
