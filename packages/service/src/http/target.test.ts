// The forms of a request's target (RFC 9112, 3.2), at a real port.
import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serve, type Serving } from "../server/serve.ts";
import { service } from "../define.ts";

const shop = service("shop", { methods: { stock: { http: "GET /stock", handler: () => 3 } } });
let serving: Serving;
beforeAll(async () => {
  serving = await serve(shop, { http: true });
});
afterAll(() => serving.server.close());

async function ask(line: string, host = "localhost"): Promise<{ status: number; head: string; body: string }> {
  const socket = connect(Number(new URL(serving.httpUrl ?? "").port), "127.0.0.1");
  await once(socket, "connect");
  socket.write(`${line} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  const [head = "", body = ""] = (await text(socket)).split("\r\n\r\n");
  return { status: Number(head.split(" ")[1]), head, body };
}

test.each([
  ["origin form", "GET /stock", 200],
  ["absolute form", "GET http://localhost/stock", 200],
  ["absolute form with a port, and in capitals", "GET HTTP://LOCALHOST:8080/stock", 200],
  ["absolute form without a path", "GET http://localhost?a", 200],
  ["absolute form of nothing that there is", "GET http://localhost/nothing", 404],
  ["absolute form with a user", "GET http://shop@localhost/stock", 400],
  ["absolute form without a host", "GET http:///stock", 400],
  ["asterisk form", "OPTIONS *", 204],
])("%s: %s is answered %d", async (_form, line, status) => {
  expect((await ask(line)).status).toBe(status);
});

test("of two hosts neither is taken", async () => {
  expect((await ask("GET /stock", "localhost\r\nHOST: evil.example")).status).toBe(400);
});

test("the host of an absolute target counts, and not the header's", async () => {
  expect((await ask("GET http://localhost/stock", "evil.example")).status).toBe(200);
  expect((await ask("GET http://evil.example/stock", "localhost")).status).toBe(421);
});

test("OPTIONS says what an address takes, and that there is none", async () => {
  const known = await ask("OPTIONS /stock");
  expect([known.status, /^allow: (.*)$/im.exec(known.head)?.[1]]).toEqual([204, "GET, HEAD, OPTIONS"]);
  expect((await ask("OPTIONS /nothing")).status).toBe(404);
});
