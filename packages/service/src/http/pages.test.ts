// The page of the HTTP port: it stands alone, its policy fits it, and it is not there when it is not wanted.
import { policyOf } from "@wherry/core/page-policy";
import { afterEach, expect, test } from "vitest";
import { startChild, stopChildren } from "../testing/child.ts";
import { serve } from "../server/serve.ts";
import { service } from "../define.ts";
import type { HttpOptions } from "./source.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await stopChildren();
});

async function start(http: HttpOptions = {}): Promise<string> {
  const shop = service("shop", { version: "1.4.0", methods: { echo: (body: unknown) => body } });
  const { server, httpUrl = "" } = await serve(shop, { http });
  cleanups.push(() => server.close());
  return httpUrl;
}

test("the explorer asks nobody else for anything, and is in nobody's frame", async () => {
  const response = await fetch(await start());
  const page = await response.text();
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
  expect(response.headers.get("content-security-policy")).toBe(policyOf(page));
  expect(policyOf(page)).toMatch(
    /^default-src 'none'; style-src 'sha256-.{44}'; script-src 'sha256-.{44}'; connect-src 'self'/,
  );
  expect(policyOf(page)).not.toBe(policyOf(page.replace('"use strict"', "alert(1)")));
  expect(page.match(/(?:src|href)=|url\(|@import|https?:\/\//g)).toEqual(["href=", "href="]);
  expect(page).not.toMatch(/innerHTML|\sstyle=|\son[a-z]+="/);
  expect(Buffer.byteLength(page)).toBeLessThan(16 * 1024);
});

test("the description and the figures are there for programs", async () => {
  const url = await start();
  await fetch(`${url}/echo`, { method: "POST" });
  const described = (await (await fetch(`${url}/openapi.json`)).json()) as Record<string, unknown>;
  expect(described).toMatchObject({ openapi: "3.1.0", info: { title: "shop", version: "1.4.0" } });
  expect(await (await fetch(`${url}/?stats`)).json()).toMatchObject({
    state: "ready",
    methods: { echo: { count: 1 } },
  });
  expect((await fetch(`${url}/openapi.json`, { method: "HEAD" })).status).toBe(200);
});

test("without the explorer there is nothing at the root", async () => {
  const url = await start({ explorer: false });
  expect((await fetch(url)).status).toBe(404);
  expect((await fetch(`${url}/?stats`)).status).toBe(404);
  expect((await fetch(`${url}/openapi.json`)).status).toBe(200);
});

test("in production the explorer is off unless asked for", async () => {
  const args = ["--port", "0", "--admin-port", "0", "--http-port", "0"];
  const child = startChild({ args, env: { NODE_ENV: "production" } });
  await child.listening;
  const url = String(child.records.find((record) => "http" in record)?.["http"]);
  expect((await fetch(url)).status).toBe(404);
});
