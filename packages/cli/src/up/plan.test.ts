// What the PATHs of `wherry up` come to: which services a file, a package or a manifest stands for, under which name and version. No
// cluster is asked.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Deployment, Service } from "@wherry/kube/types";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { planPaths } from "./plan.ts";

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "wherry-plan-"));
});
afterEach(() => {
  rmSync(cwd, { recursive: true, force: true });
});

const write = (path: string, text: string): void => {
  mkdirSync(dirname(join(cwd, path)), { recursive: true });
  writeFileSync(join(cwd, path), text);
};
const plan = (...paths: string[]): ReturnType<typeof planPaths> => planPaths(paths, { cwd, env: {} });

test.each(["wherry", "main"])("a package whose %s is no file is told so, whatever else is beside it", async (field) => {
  write("shop/package.json", JSON.stringify({ [field]: "start.ts" }));
  for (const file of ["package-lock.json", "tsconfig.json", "wherry.yaml"]) write(`shop/${file}`, "{}");
  await expect(plan("shop")).rejects.toThrow(
    `shop/package.json says "${field}": "start.ts", and there is no such file`,
  );
});

describe("a service", () => {
  test.each([
    ["a file", "echo.ts", "echo.ts"],
    ["a package", "echo", "echo/echo.ts"],
  ])("given as %s becomes a Deployment and a Service, and its image is registered", async (_, path, script) => {
    write(script, "");
    if (path === "echo") write("echo/package.json", "{}");
    const { objects, images, services } = await planPaths([path], { cwd, env: {}, replicas: 3 });
    expect(objects.map(({ object }) => object.kind)).toEqual(["Deployment", "Service"]);
    const deployment = objects[0]?.object as Deployment;
    expect(deployment.spec?.replicas).toBe(3);
    expect(deployment.spec?.template.spec?.containers[0]).toMatchObject({
      image: "echo:dev",
      readinessProbe: { tcpSocket: { port: "messaging" } },
      livenessProbe: { httpGet: { path: "/livez", port: "admin" } },
    });
    expect(images.images["echo:dev"]?.entrypoint).toEqual([process.execPath, join(cwd, script)]);
    expect(services).toEqual(["echo"]);
  });

  test.each([
    ["run(shop, { http: true })", true],
    ['run(shop, { http: { cors: "*" } })', true],
    ['method({ http: "GET /stock/{item}", handler })', true],
    ['method({ http: ["POST /a", "PUT /a"], handler })', true],
    ["run(shop, { http: false })", false],
    ["method({ http: false, handler })", false],
    ["// run(shop, { http: true })", false],
    ["const options = { https: true };", false],
  ])("that says %s has an HTTP port: %s", async (text, http) => {
    write("shop.ts", 'import "./methods.ts";\n');
    write("methods.ts", `${text}\n`);
    const { objects } = await plan("shop.ts");
    const [container] = (objects[0]?.object as Deployment).spec?.template.spec?.containers ?? [];
    expect(container?.ports?.map(({ name }) => name)).toEqual(["messaging", "admin", ...(http ? ["http"] : [])]);
    const said = container?.env?.filter(({ name }) => name === "HTTP_PORT");
    expect(said).toEqual(http ? [{ name: "HTTP_PORT", value: "8080" }] : []);
  });

  test("called index or main takes its folder's name, in a DNS label's letters", async () => {
    write("My_Shop/index.ts", "");
    expect((await plan("My_Shop/index.ts")).services).toEqual(["my-shop"]);
  });

  test("whose name is no DNS label, or that is given twice, is refused", async () => {
    write("1.ts", "");
    write("a/echo.ts", "");
    write("b/echo.ts", "");
    await expect(plan("1.ts")).rejects.toThrow(/DNS name/);
    await expect(plan("a/echo.ts", "b/echo.ts")).rejects.toThrow(/two services/);
  });
});

describe("a program of services that their file is not named after", () => {
  const program = (body: string): string => `
    import { createServer } from "node:net";
    import { method, run, service } from "@wherry/service";
    console.log("starting");
    const shop = service("shop", { methods: { price: () => 1 } });
    const stock = service("stock", { methods: { count: method({ http: "GET /count", handler: () => 2 }) } });
    ${body}`;

  test("is one Deployment, and a Service for each, whose port clients find by the same name", async () => {
    write("both.ts", program("await run([shop, stock]);"));
    // What this shell has set is no business of the pods.
    const env = { ...process.env, PORT: "7000", HTTP_PORT: "7001" };
    const { objects, services, images } = await planPaths(["both.ts"], { cwd, env, replicas: 2 });
    expect(objects.map(({ object }) => [object.kind, object.metadata?.name])).toEqual([
      ["Deployment", "both"],
      ["Service", "shop"],
      ["Service", "stock"],
    ]);
    expect(services).toEqual(["shop", "stock"]);
    expect(Object.keys(images.images)).toEqual(["both:dev"]);
    const [container] = (objects[0]?.object as Deployment).spec?.template.spec?.containers ?? [];
    expect(container?.ports).toEqual([
      { name: "messaging", containerPort: 5555 },
      { name: "messaging-2", containerPort: 5556 },
      { name: "admin", containerPort: 9000 },
      { name: "http-2", containerPort: 8081 },
    ]);
    expect(container?.env?.map(({ name }) => name)).not.toContain("HTTP_PORT");
    expect(container?.readinessProbe).toMatchObject({ httpGet: { path: "/readyz", port: "admin" } });
    const [, one, two] = objects.map(({ object }) => object as Service);
    expect(one?.spec).toEqual({
      selector: { "app.kubernetes.io/name": "both" },
      ports: [{ name: "messaging", port: 5555, targetPort: "messaging" }],
    });
    expect(two?.spec?.ports).toEqual([
      { name: "messaging", port: 5555, targetPort: "messaging-2" },
      { name: "http", port: 80, targetPort: "http-2" },
    ]);
    expect(two?.metadata?.labels).toMatchObject({
      "app.kubernetes.io/name": "stock",
      "app.kubernetes.io/part-of": "both",
    });
  });

  test("whose only one has another name than the file is found by its own", async () => {
    write(
      "own.ts",
      'import { run, service as make } from "@wherry/service"; await run(make("greeter", { methods: {} }));',
    );
    write(
      "contract.ts",
      'import { run, service } from "@wherry/service"; const c = { name: "ledger", methods: { a: {} } }; await run(service(c, { a: () => 1 }));',
    );
    write("broken.ts", 'import { run, service } from "@wherry/service"; await run(service(nothing, {}));');
    const named = async (path: string): Promise<unknown[]> =>
      (await planPaths([path], { cwd, env: process.env })).objects.map(({ object }) => object.metadata?.name);
    expect(await named("own.ts")).toEqual(["own", "greeter"]);
    expect(await named("contract.ts")).toEqual(["contract", "ledger"]);
    // Its pods will say what is wrong with it.
    expect(await named("broken.ts")).toEqual(["broken", "broken"]);
  });

  test("may say its ports itself; one that runs a single one after all is as any other", async () => {
    write("own.ts", program('await run([shop, stock], { argv: ["--stock-port", "6000", "--admin-port", "6001"] });'));
    const [container] = ((await plan("own.ts")).objects[0]?.object as Deployment).spec?.template.spec?.containers ?? [];
    expect(container?.ports?.map(({ containerPort }) => containerPort)).toEqual([5555, 6000, 6001, 8081]);
    write("one.ts", program("await run(stock);"));
    const { objects } = await plan("one.ts");
    expect(objects.map(({ object }) => [object.kind, object.metadata?.name])).toEqual([
      ["Deployment", "one"],
      ["Service", "stock"],
    ]);
  });

  test.each([
    ["that is broken", "throw new Error('no database');", /looks as if .*it ended with code 1[^]*no database/],
    ["that runs nothing", "", /it ended without calling run\(\)[^]*starting/],
    ["that says no port", 'await run([shop, stock], { argv: ["--port", "0"] });', /"shop" is on any free port/],
  ])("%s is refused with what it said", async (_, body, message) => {
    write("bad.ts", program(body));
    await expect(plan("bad.ts")).rejects.toThrow(message);
  });

  describe("and that comes from a package", () => {
    const named = async (path: string): Promise<unknown[]> =>
      (await plan(path)).objects.map(({ object }) => object.metadata?.name);
    const shop = 'import { service } from "@wherry/service"; export const shop = service("shop", { methods: {} });';
    const runner = (from: string): string =>
      `import { run } from "@wherry/service"; import { shop } from "${from}"; await run(shop);`;

    /** As npm links a workspace. */
    const workspace = (name: string, manifest: object): void => {
      write(`libs/${name}/package.json`, JSON.stringify({ name: `@acme/${name}`, type: "module", ...manifest }));
      mkdirSync(join(cwd, "node_modules/@acme"), { recursive: true });
      symlinkSync(`../../libs/${name}`, join(cwd, "node_modules/@acme", name));
    };

    test.each([
      ["main", "@acme/main", { main: "lib/shop.ts" }],
      ["exports", "@acme/exports", { exports: { types: "./no.d.ts", import: "./lib/shop.ts" } }],
      ["subpath", "@acme/subpath/shop", { exports: { "./*": { default: "./lib/*.ts" } } }],
      ["file", "@acme/file/lib/shop.ts", {}],
    ])(
      "of the project's own, found by its %s: by its name, and an edit of it is a new version",
      async (name, from, manifest) => {
        workspace(name, manifest);
        write(`libs/${name}/lib/shop.ts`, shop);
        write("app/main.ts", runner(from));
        expect(await named("app/main.ts")).toEqual(["app", "shop"]);
        const version = async (): Promise<unknown> => (await plan("app/main.ts")).files[0]?.content;
        const first = await version();
        write(`libs/${name}/lib/shop.ts`, `${shop}\n// edited`);
        expect(await version()).not.toEqual(first);
      },
    );

    test("by the package's own imports", async () => {
      write("app/package.json", JSON.stringify({ imports: { "#shop": "./lib/shop.ts" } }));
      write("app/lib/shop.ts", shop);
      write("app/main.ts", runner("#shop"));
      expect(await named("app/main.ts")).toEqual(["app", "shop"]);
    });

    test("that is installed: the program is asked, also when it runs what the package has put together", async () => {
      const manifest = { name: "shops", type: "module", main: "index.js", dependencies: { "@wherry/service": "1" } };
      write("node_modules/shops/package.json", JSON.stringify(manifest));
      write(
        "node_modules/shops/index.js",
        `import { method, run, service } from "@wherry/service";
        export const shop = service("shop", { methods: { count: method({ http: "GET /count", handler: () => 2 }) } });
        export const all = [shop, service("stock", { raw: (frames) => frames })];
        export { run };`,
      );
      mkdirSync(join(cwd, "node_modules/@wherry"));
      symlinkSync(join(import.meta.dirname, "../../../service"), join(cwd, "node_modules/@wherry/service"));
      write("one.ts", runner("shops"));
      write("all.ts", 'import { all, run } from "shops"; await run(all);');
      const { objects } = await plan("one.ts");
      expect(objects.map(({ object }) => object.metadata?.name)).toEqual(["one", "shop"]);
      expect((objects[1]?.object as Service).spec?.ports?.map(({ name }) => name)).toEqual(["messaging", "http"]);
      expect(await named("all.ts")).toEqual(["all", "shop", "stock"]);
    });

    test("a program that only calls services is not started to be asked", async () => {
      const mark = join(cwd, "started");
      write(
        "web.ts",
        `import { connect } from "@wherry/service"; (await import("node:fs")).writeFileSync("${mark}", "");`,
      );
      expect(await named("web.ts")).toEqual(["web", "web"]);
      expect(existsSync(mark)).toBe(false);
    });
  });

  test("has no service that another file has", async () => {
    write("both.ts", program("await run([shop, stock]);"));
    write("shop.ts", "");
    await expect(plan("both.ts", "shop.ts")).rejects.toThrow(/two services are called "shop"/);
  });
});

describe("a service's version", () => {
  const template = async (): Promise<unknown> =>
    ((await plan("shop.ts")).objects[0]?.object as Deployment).spec?.template.metadata?.annotations;

  test("is another one when the file, or a file that it imports, changes, and only then", async () => {
    write("shop.ts", 'import { price } from "./lib/price.ts";\nexport * from "./self.js"; import("./shop.ts");\n');
    write("lib/price.ts", 'export { rate } from "../rate";\nexport const price = 1;\n');
    write("rate.ts", "export const rate = 1;\n");
    const first = await template();
    write("other.ts", "not imported");
    expect(await template()).toEqual(first);
    write("rate.ts", "export const rate = 2;\n");
    const second = await template();
    expect(second).not.toEqual(first);
    write("shop.ts", "// nothing\n");
    expect(await template()).not.toEqual(second);
  });
});

test("a service outside of any project gets Wherry's own @wherry packages, one with its own does not", async () => {
  const entrypoint = async (): Promise<unknown> =>
    (await plan("away/a.ts")).images.images["a:dev"]?.entrypoint.slice(1, -1);
  write("away/a.ts", 'import { service } from "@wherry/service"; console.log(typeof service);');
  const [flag, hook] = (await entrypoint()) as [string, string];
  expect(flag).toBe("--require");
  expect(execFileSync(process.execPath, [flag, hook, join(cwd, "away/a.ts")], { encoding: "utf8" })).toBe("function\n");
  write("node_modules/@wherry/service/package.json", "{}");
  expect(await entrypoint()).toEqual([]);
});

describe("manifests", () => {
  test("of a folder are read in the order of names, each document that holds something on its own, lists flattened", async () => {
    write(
      "k8s/b.yaml",
      "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: b }\n---\n---\n{apiVersion: v1, kind: Secret}\n",
    );
    write("k8s/a.json", '{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Namespace"}]}');
    write("k8s/notes.txt", "not a manifest");
    const { objects } = await plan("k8s");
    expect(objects.map(({ object, source }) => [object.kind, source])).toEqual([
      ["Namespace", "k8s/a.json, item 1"],
      ["ConfigMap", "k8s/b.yaml, document 1"],
      ["Secret", "k8s/b.yaml, document 2"],
    ]);
  });

  test.each([
    ["a tab for indentation", "a:\n\tb: 1\n", /bad\.yaml:2:\d+: /],
    ["the same key twice", "apiVersion: v1\nkind: Pod\nkind: Pod\n", /bad\.yaml:3:1: .*unique/],
    ["a place that is said once", "a: [\n", /^bad\.yaml:\d+:\d+: (?!.*at line)/],
    ["nothing in it", "# nothing\n---\n", /bad\.yaml holds no objects/],
    ["no kind", "apiVersion: v1\n", /kind are missing/],
    ["a list", "- 1\n", /expected an object/],
    [
      "an alias bomb",
      "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n",
      /alias/,
    ],
  ])("with %s are refused, and it is said where", async (_, text, message) => {
    write("bad.yaml", text);
    await expect(plan("bad.yaml")).rejects.toThrow(message);
  });

  test("say their own number of replicas", async () => {
    write("x.yaml", "apiVersion: v1\nkind: ConfigMap\n");
    await expect(planPaths(["x.yaml"], { cwd, env: {}, replicas: 2 })).rejects.toThrow(/--replicas/);
  });
});

describe("wherry.yaml", () => {
  test.each([
    ["imags: {}", /wherry\.yaml: unknown setting imags; did you mean images\?$/],
    ["other: 1", /unknown setting other; there are: images, curve$/],
    [
      "images: { web: { comand: [node], folder: 3 } }",
      /images\.web\.comand; did you mean command\?\n.*images\.web\.folder: .*number/,
    ],
    ["images: [web]", /images: expected a map of image names, got a list/],
    ["images: { web: node web.js }", /images\.web: expected \{ folder, command, env \}, got a string/],
    ["- 1", /expected settings by name, got a list/],
    ["images: {", /is no YAML/],
  ])("that says %j is refused before anything is started", async (text, message) => {
    write("wherry.yaml", text);
    write("echo.ts", "");
    await expect(plan("echo.ts")).rejects.toThrow(message);
    await expect(plan("echo.ts")).rejects.toMatchObject({ exitCode: 2 });
  });

  test("of a package is known to the manifests in its folder", async () => {
    write("shop/package.json", "{}");
    write("shop/k8s/a.yaml", "apiVersion: v1\nkind: ConfigMap\n");
    write("shop/wherry.yaml", "images: { web: { folder: ., command: [node, web.js] } }");
    expect((await plan("shop/k8s")).images.roots).toContain(join(cwd, "shop"));
    write("shop/wherry.yaml", "images: { web: { fodler: . } }");
    await expect(plan("shop/k8s")).rejects.toThrow(/did you mean folder/);
  });
});

test.each([
  ["no/such/path", /nothing at no\/such\/path/],
  ["empty", /neither manifests/],
  ["readme.md", /neither a service/],
  ["kustom", /kubectl kustomize/],
])("%s is refused with what to do", async (path, message) => {
  mkdirSync(join(cwd, "empty"));
  write("readme.md", "");
  write("kustom/kustomization.yaml", "");
  await expect(plan(path)).rejects.toThrow(message);
  await expect(plan(path)).rejects.toMatchObject({ exitCode: 2 });
});
