// The dashboard's page: who gets it, and that it needs nobody else. What it shows of a real cluster: tests/e2e/several-services.test.ts.
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { policyOf } from "@wherry/core/page-policy";
import { afterEach, expect, test } from "vitest";
import type { Figures } from "./gather.ts";
import { type DashboardServer, serveDashboard } from "./server.ts";

const secret = "0123456789abcdef0123456789abcdef";
const figures: Figures = { cluster: "lab", atMs: 1, services: [], moreServices: 0 };
let server: DashboardServer | undefined;
afterEach(() => server?.close());

async function start(look = (): Promise<Figures> => Promise.resolve(figures)): Promise<string> {
  server = await serveDashboard({ figures: look, port: 0, secret });
  return server.url;
}

/** With a header that `fetch` would not send. */
function statusAs(url: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { headers: { host }, agent: false }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode));
    })
      .on("error", reject)
      .end();
  });
}

test("the page and its figures are for who knows the address", async () => {
  const url = await start();
  expect(await (await fetch(`${url}figures`)).json()).toEqual(figures);
  expect((await fetch(url)).status).toBe(200);
  const { origin } = new URL(url);
  for (const path of ["/", "/figures", `/${secret}`, `/${secret.replace("0", "1")}/`, `/${secret}/other`])
    expect((await fetch(origin + path)).status, path).toBe(404);
  expect((await fetch(url, { method: "POST" })).status).toBe(405);
});

test("a name of somebody's own that leads here gets nothing", async () => {
  const url = await start();
  const { port } = new URL(url);
  expect(await statusAs(url, "evil.example")).toBe(404);
  expect(await statusAs(url, `127.0.0.1.evil.example:${port}`)).toBe(404);
  expect(await statusAs(url, `localhost:${port}`)).toBe(200);
});

test("it asks nobody else for anything, is in nobody's frame, and tells nobody its address", async () => {
  const response = await fetch(await start());
  const page = await response.text();
  expect(response.headers.get("content-security-policy")).toBe(policyOf(page));
  expect(response.headers.get("referrer-policy")).toBe("no-referrer");
  expect(page).toBe(readFileSync(new URL("dashboard.html", import.meta.url), "utf8"));
  // The namespace of pictures is a name, and not an address that is asked.
  expect(page.match(/(?:src|href)=|url\(|@import|https?:\/\/(?!www\.w3\.org\/2000\/svg)/g)).toEqual(["href="]);
  expect(page).not.toMatch(/innerHTML|\sstyle=|\son[a-z]+="/);
});

test("a cluster that does not answer is said on the page; a port that is taken, at once", async () => {
  const url = await start(() => Promise.reject(new Error("the daemon is gone")));
  const response = await fetch(`${url}figures`);
  expect([response.status, await response.json()]).toEqual([503, { error: "the daemon is gone" }]);
  const port = Number(new URL(url).port);
  await expect(serveDashboard({ figures: () => Promise.resolve(figures), port, secret })).rejects.toThrow(
    /is taken.*--port/,
  );
});
