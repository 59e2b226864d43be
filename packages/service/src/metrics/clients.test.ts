// What a service's own clients do, on its page of metrics.
import { afterEach, expect, test } from "vitest";
import { startChild, stopChildren } from "../testing/child.ts";

afterEach(stopChildren);

const line = (page: string, start: string): string[] => page.split("\n").filter((one) => one.startsWith(start));

test("calls, failures, fallbacks and circuits are told by the service that is called, also those of clients that were closed", async () => {
  const stock = startChild({
    program: `import { run, service, ServiceError } from "@wherry/service";
      await run(service("stock", { methods: {
        count: () => 2,
        sold: () => { throw new ServiceError("SOLD_OUT", "none is left"); },
      } }));`,
  });
  const { endpoint } = await stock.listening;
  const shop = startChild({
    env: { STOCK: endpoint },
    program: `import { connect, run, service } from "@wherry/service";
      const client = connect("stock", { endpoints: [process.env.STOCK] });
      const nobody = connect("nobody.far", { endpoints: ["tcp://127.0.0.1:1"], deadlineMs: 50, breaker: { callsMin: 2, windowMs: 600_000, openMs: 600_000 } });
      const once = async () => {
        await using own = connect("stock", { endpoints: [process.env.STOCK] });
        return await own.call("count");
      };
      await run(service("shop", { methods: {
        look: async () => [await client.call("count"), await once(), await client.call("sold").catch(() => 0)],
        instead: () => nobody.call("y", null, { fallback: 0 }),
        lost: () => nobody.call("x").catch((error) => error.code),
      } }));`,
  });
  const { admin, endpoint: shopEndpoint } = await shop.listening;
  const page = async (): Promise<string> => (await fetch(`${admin}/metrics`)).text();
  const { connect } = await import("../client/connect.ts");
  await using client = connect("shop", { endpoints: [shopEndpoint] });
  expect(await client.call("look")).toEqual([2, 2, 0]);
  expect(await client.call("instead")).toBe(0);
  for (const expected of ["UNAVAILABLE", "UNAVAILABLE", "CIRCUIT_OPEN"])
    expect(await client.call("lost")).toBe(expected);
  const told = await page();
  expect(line(told, "wherry_client_calls_total")).toEqual([
    'wherry_client_calls_total{target="stock",outcome="succeeded"} 2',
    'wherry_client_calls_total{target="stock",outcome="failed"} 1',
    'wherry_client_calls_total{target="nobody.far",outcome="succeeded"} 0',
    'wherry_client_calls_total{target="nobody.far",outcome="failed"} 4',
  ]);
  expect(told).toContain('wherry_client_fallbacks_total{target="nobody.far"} 1');
  expect(told).toContain('wherry_client_rejected_total{target="nobody.far"} 1');
  expect(told).toContain('wherry_client_calls_in_flight{target="stock"} 0');
  expect(told).toContain('wherry_client_endpoints{target="stock",state="available"} 1');
  expect(told).toContain('wherry_client_circuits_open{target="nobody.far",method="x"} 1');
  // Once more, and no client that is closed makes a counter go back.
  await client.call("look");
  expect(await page()).toContain('wherry_client_calls_total{target="stock",outcome="succeeded"} 4');
  const heads = told.split("\n").filter((one) => one.startsWith("# TYPE "));
  expect(new Set(heads).size).toBe(heads.length);
});

test("a service without clients says nothing of any", async () => {
  const { admin } = await startChild().listening;
  expect(await (await fetch(`${admin}/metrics`)).text()).not.toContain("wherry_client_");
});
