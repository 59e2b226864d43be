// One program with several services, as pods: each has a Service of its own by which it is found, called, described and told apart in log
// and metrics; they become ready, roll out and leave together.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type PodView, Session } from "../support/session.ts";

// As long as the busiest machine takes: none of this is about time.
vi.setConfig({ testTimeout: 150_000, hookTimeout: 150_000 });

const session = new Session();
// Outside of the repository: no node_modules above it.
const folder = session.folder("several");
const program = join(folder, "backoffice.ts");
const write = (count: number): void => {
  writeFileSync(
    program,
    `import { connect, method, run, service } from "@wherry/service";
const client = connect("stock");
const shop = service("shop", { methods: {
  // Finds the service beside it as anyone would.
  buy: async (body, { log }) => { log.info("bought"); return client.call("count"); },
} });
const stock = service("stock", { methods: { count: method({ idempotent: true, http: "GET /count", handler: () => ${count} }) } });
await run([shop, stock]);
`,
  );
};
const up = (): ReturnType<Session["run"]> =>
  session.run("up", "--detach", program, "--replicas", "2", "--timeout", "120s");
const call = async (...args: string[]): Promise<string> => (await session.run("call", ...args)).stdout.trim();
const pods = async (): Promise<PodView[]> =>
  (await session.get<{ items: PodView[] }>("pods", "-l", "app.kubernetes.io/name=backoffice")).items;

beforeAll(async () => {
  write(2);
  const { code, stdout, stderr } = await up();
  expect(code, stdout + stderr).toBe(0);
  for (const name of ["shop", "stock"]) expect(stdout).toMatch(new RegExp(`wherry call ${name} METHOD BODY`));
});
afterAll(() => session.close());

test("each is called by its name, from outside and from the service beside it", async () => {
  // On a busy machine a call, and the pod's first look for the service beside it, takes longer than a call may.
  await expect.poll(() => call("stock", "count")).toBe("2");
  await expect.poll(() => call("shop", "buy")).toBe("2");
});

test("each Service leads to the same pods, at a port of its own that clients find by one name", async () => {
  const ips = (await pods()).map(({ status }) => status.podIP).sort();
  expect(ips).toHaveLength(2);
  interface Slice {
    readonly ports: readonly { readonly name: string; readonly port: number }[];
    readonly endpoints: readonly { readonly addresses: readonly string[] }[];
  }
  const slice = async (service: string): Promise<Slice | undefined> => {
    const label = `kubernetes.io/service-name=${service}`;
    return (await session.get<{ items: Slice[] }>("endpointslices", "-l", label)).items[0];
  };
  for (const [service, ports] of [
    ["shop", ["messaging 5555"]],
    ["stock", ["http 8081", "messaging 5556"]],
  ] as const) {
    const found = await slice(service);
    expect(found?.ports.map(({ name, port }) => `${name} ${port}`).sort()).toEqual(ports);
    expect(found?.endpoints.flatMap(({ addresses }) => addresses).sort()).toEqual(ips);
  }
  interface Described {
    readonly name?: string;
    readonly instances?: readonly { readonly stats?: { readonly state: string } }[];
  }
  const described = async (): Promise<unknown> => {
    const { stdout } = await session.run("describe", "stock", "--output", "json");
    const { name, instances = [] } = JSON.parse(stdout || "{}") as Described;
    return [name, ...instances.map(({ stats }) => stats?.state)];
  };
  await expect.poll(described).toEqual(["stock", "ready", "ready"]);
});

test("log and metrics say which service it was", async () => {
  await expect
    .poll(async () => (await session.run("logs", "service/shop")).stdout)
    .toMatch(/"part":"shop".*"msg":"bought"/);
  const texts = await Promise.all(
    (await pods()).map(async ({ status }) => (await fetch(`http://${status.podIP}:9000/metrics`)).text()),
  );
  const all = texts.join("\n");
  expect(all).toMatch(/^wherry_requests_total\{service="shop",method="buy",code="OK"\} [1-9]/m);
  expect(all).toMatch(/^wherry_requests_total\{service="stock",method="count",code="OK"\} [1-9]/m);
});

test("the dashboard shows all services, their pods and what their methods have done, and leads to each one's page", async () => {
  const dashboard = session.wherry(["dashboard"]);
  const [, url = ""] = await dashboard.until(/^(http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}\/)$/m);
  interface Shown {
    readonly name: string;
    readonly explorer?: string;
    readonly methods: readonly {
      readonly name: string;
      readonly calls: number;
      readonly failed: number;
      readonly callRate?: number;
    }[];
    readonly pods: readonly { readonly name: string; readonly ready: boolean; readonly state: string }[];
  }
  const shown = async (name: string): Promise<Shown | undefined> =>
    ((await (await fetch(`${url}figures`)).json()) as { services: Shown[] }).services.find((one) => one.name === name);
  // A call that a busy machine does not take in time never came to the service.
  const callNone = async (): Promise<string> => (await session.run("call", "shop", "none")).stderr;
  await expect.poll(callNone).toMatch(/NOT_FOUND: service shop has no method "none"/);
  const method = async (name: string): Promise<Shown["methods"][number] | undefined> => (await shown(name))?.methods[0];
  await expect.poll(async () => (await method("shop"))?.calls).toBeGreaterThan(0);
  expect(await method("shop")).toMatchObject({ name: "buy" });
  await expect.poll(async () => (await method("stock"))?.callRate).toEqual(expect.any(Number));
  await expect
    .poll(async () => (await shown("shop"))?.methods.map(({ name }) => name))
    .toEqual(["buy", "(no such method)"]);
  expect(await method("stock")).toMatchObject({ name: "count", failed: 0 });
  const states = async (): Promise<unknown> => (await shown("stock"))?.pods.map(({ ready, state }) => [ready, state]);
  await expect.poll(states).toEqual([
    [true, "ready"],
    [true, "ready"],
  ]);
  const stock = await shown("stock");
  const page = await fetch(stock?.explorer ?? "");
  expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
  expect((await shown("shop"))?.explorer).toBeUndefined();
  expect(await dashboard.stop("SIGINT")).toMatchObject({ code: 0 });
  await expect(fetch(url)).rejects.toThrow();
});

test("an edited program rolls out as one, and both are answered by the new one", async () => {
  write(3);
  const { code, stdout, stderr } = await up();
  expect(code, stdout + stderr).toBe(0);
  expect(stderr).toMatch(/deployment\/backoffice configured/);
  await expect.poll(() => call("shop", "buy")).toBe("3");
  await expect.poll(() => call("stock", "count")).toBe("3");
});
