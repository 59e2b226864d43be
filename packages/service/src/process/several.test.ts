// Several services in one process: ports of their own, one admin port, one life.
import { afterEach, expect, test } from "vitest";
import { connect } from "../client/connect.ts";
import { startChild, stopChildren } from "../testing/child.ts";
import { parseConfig } from "./config.ts";

afterEach(stopChildren);

const program = `
  import { run, service } from "@wherry/service";
  const shop = service("shop", { methods: { buy: (count) => {
    if (count === "bug") throw new TypeError("a bug in the shop");
    return count;
  } } });
  const stock = service("my-stock", { methods: {
    count: () => 2,
    wait: (_body, { signal }) => new Promise((resolve) => setTimeout(() => resolve("done"), 300)),
    hang: () => new Promise(() => {}),
  } });
  await run([shop, stock]);`;

interface Started {
  readonly child: ReturnType<typeof startChild>;
  readonly admin: string;
  readonly endpoints: Readonly<Record<string, string>>;
}

async function start(): Promise<Started> {
  const child = startChild({ program });
  const { admin } = await child.listening;
  await expect.poll(() => child.records.filter(({ msg }) => msg.includes("listens on")).length).toBe(2);
  const endpoints = Object.fromEntries(
    child.records
      .filter(({ msg }) => msg.includes("listens on"))
      .map(({ msg, endpoint }) => [msg.split(" ", 1)[0] ?? "", String(endpoint)]),
  );
  return { child, admin, endpoints };
}

test("each is served on a port of its own, and one admin port tells of all", async () => {
  const { child, admin, endpoints } = await start();
  await using shop = connect("shop", { endpoints: [endpoints["shop"] ?? ""] });
  await using stock = connect("my-stock", { endpoints: [endpoints["my-stock"] ?? ""] });
  expect(await Promise.all([shop.call("buy", 1), stock.call("count")])).toEqual([1, 2]);
  const ready = await fetch(`${admin}/readyz`);
  expect([ready.status, await ready.json()]).toMatchObject([
    200,
    { status: "ready", service: "shop+my-stock", services: { shop: "ready", "my-stock": "ready" } },
  ]);
  const metrics = await (await fetch(`${admin}/metrics`)).text();
  expect(metrics).toContain('wherry_requests_total{service="shop",method="buy",code="OK"} 1');
  expect(metrics).toContain('wherry_requests_total{service="my-stock",method="count",code="OK"} 1');
  const heads = metrics.split("\n").filter((line) => line.startsWith("# TYPE "));
  expect(new Set(heads).size).toBe(heads.length);
  expect(child.records[0]).toMatchObject({ service: "shop+my-stock" });
});

test("they drain together: the process ends when both are done", async () => {
  const { child, endpoints } = await start();
  await using stock = connect("my-stock", { endpoints: [endpoints["my-stock"] ?? ""] });
  const waiting = stock.call("wait");
  await stock.call("$ping");
  child.process.kill("SIGTERM");
  expect(await waiting).toBe("done");
  expect(await child.exit).toEqual({ code: 0, signal: null });
});

test("they crash together: a bug in one hands back what the other has", async () => {
  const { child, endpoints } = await start();
  await using shop = connect("shop", { endpoints: [endpoints["shop"] ?? ""] });
  await using stock = connect("my-stock", { endpoints: [endpoints["my-stock"] ?? ""] });
  const hanging = expect(stock.call("hang")).rejects.toMatchObject({ code: "ABORTED", fate: "maybe-executed" });
  await stock.call("$ping");
  await expect(shop.call("buy", "bug")).rejects.toMatchObject({ code: "ABORTED" });
  await hanging;
  expect((await child.exit).code).toBe(1);
  expect(child.records.filter(({ level }) => level === "fatal")).toEqual([
    expect.objectContaining({ method: "buy", msg: "buy threw; ending: a bug in the shop" }),
  ]);
});

test("ports are counted up, or each one's flag's; what Kubernetes puts into the environment is not taken for one", () => {
  const ports = (...argv: string[]): unknown => {
    const parsed = parseConfig("x", argv, { STOCK_PORT: "tcp://10.0.0.1:5555" }, {}, undefined, ["shop", "stock"]);
    return "config" in parsed ? [...parsed.config.ports] : parsed.text;
  };
  expect(ports()).toEqual([
    ["shop", 5555],
    ["stock", 5556],
  ]);
  expect(ports("--port", "7000", "--stock-port", "8000")).toEqual([
    ["shop", 7000],
    ["stock", 8000],
  ]);
  expect(ports("--port", "0")).toEqual([
    ["shop", 0],
    ["stock", 0],
  ]);
  expect(ports("--help")).toContain("--stock-port");
});

test("the same service twice is refused", async () => {
  const twice = startChild({
    program: `import { run, service } from "@wherry/service";
      const one = service("one", { methods: { a: () => 1 } });
      await run([one, one]);`,
  });
  expect((await twice.exit).code).toBe(2);
  expect(twice.stderr()).toContain("services: expected each once, got one, one");
});
