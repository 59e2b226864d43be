// The README's programs run and do what it says, and its tables name what the code has.
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { connect } from "./client/connect.ts";
import { startChild, stopChildren } from "./testing/child.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const programs = [...readme.matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1] ?? "");
const [serviceProgram = "", settingsProgram = "", logProgram = "", clientProgram = "", ...others] = programs;

afterEach(stopChildren);

describe("the README", () => {
  test("its service serves, and answers outsiders' mistakes instead of crashing", async () => {
    const child = startChild({ program: serviceProgram });
    const client = connect("shop", { endpoints: [(await child.listening).endpoint] });
    expect(await client.call("stock")).toBe(2);
    await expect(client.call("buy", { count: "two" })).rejects.toMatchObject({ code: "INVALID" });
    await expect(client.call("buy", null)).rejects.toMatchObject({ code: "INVALID" });
    expect(await client.call("buy", { count: 2 }, { key: "order-1" })).toBe(0);
    await expect(client.call("buy", { count: 1 })).rejects.toMatchObject({
      code: "SOLD_OUT",
      message: "expected 1 in stock, found 0",
    });
    await client.close();
    expect(child.records).toContainEqual(expect.objectContaining({ msg: "sold", count: 2, key: "order-1" }));
    child.process.kill("SIGTERM");
    expect(await child.exit).toEqual({ code: 0, signal: null });
  });

  test("its settings come from flags and the environment", async () => {
    const args = ["--stock", "5", "--port", "0", "--admin-port", "0"];
    const child = startChild({ program: settingsProgram, args, env: { CURRENCY: "usd" } });
    const client = connect("shop", { endpoints: [(await child.listening).endpoint] });
    expect(await client.call("stock")).toEqual([5, "USD"]);
    await client.close();
  });

  test("its log has the text, the fields and the template", async () => {
    const child = startChild({ program: logProgram });
    const { endpoint, admin } = await child.listening;
    const client = connect("shop", { endpoints: [endpoint] });
    await client.call("take", "abc");
    await client.close();
    await expect.poll(() => child.records.length).toBe(3);
    expect(child.records[0]).toMatchObject({ msg: "3 shelves loaded", count: 3 });
    expect(child.records[2]).toMatchObject({ bytes: 3, template: "{bytes} bytes from {peer}" });
    expect(child.records[2]?.msg).toMatch(/^3 bytes from tcp:/);
    expect(await (await fetch(`${admin}/metrics`)).text()).toMatch(/shop_received_bytes_total\{peer="tcp:[^"]*"\} 3/);
  });

  test("its client calls it", async () => {
    const { endpoint } = await startChild({ program: serviceProgram }).listening;
    const fixed = clientProgram.replace('connect("shop")', `connect("shop", { endpoints: ["${endpoint}"] })`);
    expect(fixed).not.toBe(clientProgram);
    const client = startChild({ program: fixed });
    expect(await client.exit, client.stderr()).toEqual({ code: 0, signal: null });
    expect(client.other).toEqual(["2", "1"]);
  });

  test("metrics that a service makes with prom-client are on its page", async () => {
    const program = `import { Counter } from "prom-client";
      new Counter({ name: "shop_sold_total", help: "Items sold." }).inc(3);
      ${serviceProgram}`;
    const { admin } = await startChild({ program }).listening;
    expect(await (await fetch(`${admin}/metrics`)).text()).toContain("shop_sold_total 3");
  });

  test("has no other program", () => {
    expect(others).toEqual([]);
  });

  test.each([
    ["packages/service/src/service.ts", "./service.ts", ["ServiceOptions"]],
    ["packages/service/src/method.ts", "./method.ts", ["MethodPromises", "MethodDefinition"]],
    ["packages/service/src/handler.ts", "./handler.ts", ["RequestContext"]],
    ["packages/service/src/client/types.ts", "./client/types.ts", ["ConnectOptions", "CallOptions"]],
    ["packages/service/src/process/run.ts", "./process/run.ts", ["RunOptions"]],
  ])("names every option of %s", (_path, file, interfaces) => {
    const source = readFileSync(new URL(file, import.meta.url), "utf8");
    for (const name of interfaces) {
      const body = new RegExp(`interface ${name}[^{]*\\{([^]*?)\\n\\}`).exec(source)?.[1] ?? "";
      const fields = [...body.matchAll(/^ {2}readonly (\w+)/gm)].map((match) => match[1] ?? "");
      expect(fields.length).toBeGreaterThan(2);
      // `clock` and `random` are handed in by tests alone.
      const told = fields.filter((field) => field === "clock" || field === "random" || readme.includes(`\`${field}\``));
      expect(told, name).toEqual(fields);
    }
  });

  test("names every flag, variable, exit code and metric", async () => {
    const help = startChild({ args: ["--help"] });
    await help.exit;
    const flags = [...help.other.join("\n").matchAll(/--[a-z-]+/g)].map(([flag]) => flag);
    const variables = [
      "LOG_TO",
      "LOG_AUTHORIZATION",
      "BLOCKED_MS",
      "CONFIG_FILE",
      "PORT",
      "ADMIN_PORT",
      "HOST",
      "POD_IP",
      "LOG_LEVEL",
      "POD_NAME",
      "POD_UID",
    ];
    expect([...flags, ...variables].filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
    const source = readFileSync(new URL("./metrics/exposition.ts", import.meta.url), "utf8");
    const named = [
      ...source.matchAll(/"(wherry_(?:requests|request|queue|credit|drain|handed|state|event_loop|log|peer|raw)\w*)"/g),
    ]
      .map((match) => match[1] ?? "")
      .filter((name) => !/_(bucket|sum|count)$/.test(name));
    expect(named.length).toBeGreaterThan(7);
    expect(named.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
  });
});
