// Whoever floods the listener harms himself: with connections, with bodies that never end, with requests on one connection.
import { resources } from "@wherry/kube";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { afterEach, beforeEach, expect, it } from "vitest";
import { limits } from "../limits.ts";
import { adminToken, startListener, type TestListener } from "../listener.suite.ts";

let server: TestListener;
const sockets: Socket[] = [];
beforeEach(async () => {
  server = await startListener();
  await server.client.create(resources.namespaces, { metadata: { name: "default" } });
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.close();
});

const configMaps = "/api/v1/namespaces/default/configmaps";
const list = async (token: string): Promise<number> => (await server.send({ path: configMaps, token })).status;
const create = async (name: string): Promise<number> =>
  (await server.send({ method: "POST", path: configMaps, token: adminToken, body: `{"metadata":{"name":"${name}"}}` }))
    .status;

/** The token of an account that may look at pods and create nothing: what a program in a pod has. */
async function podToken(name: string): Promise<string> {
  const { metadata } = await server.client.create(resources.serviceaccounts, {
    metadata: { name, namespace: "default" },
  });
  const subject = { namespace: "default", account: { name, uid: metadata.uid } };
  return (await server.tokens.issue(subject, [], 3600)).token;
}

async function open(): Promise<TLSSocket> {
  const socket = await server.open();
  sockets.push(socket);
  socket.on("error", () => undefined);
  return socket;
}

const head = (token: string, more: string): string =>
  `POST ${configMaps} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n${more}\r\n`;

const ended = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.once("close", resolve));

/** The status line of the next answer. */
async function statusOf(socket: TLSSocket): Promise<string> {
  const [chunk] = (await once(socket, "data")) as [Buffer];
  return chunk.toString("latin1").split("\r\n", 1)[0] ?? "";
}

it("more connections of strangers than there may be close the oldest of them, and nobody else's", async () => {
  const known = await open();
  known.write(`GET ${configMaps} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${adminToken}\r\n\r\n`);
  expect(await statusOf(known)).toContain("200");
  const strangers: Socket[] = [];
  let closed = 0;
  for (let index = 0; index < limits.strangerConnectionsMax + 50; index++) {
    const socket = connect(server.listener.port, "127.0.0.1");
    socket.on("error", () => undefined).once("close", () => closed++);
    strangers.push(socket);
    sockets.push(socket);
    await once(socket, "connect");
  }
  await expect.poll(() => closed).toBeGreaterThanOrEqual(50);
  expect(strangers[0]?.closed).toBe(true);
  expect(strangers.at(-1)?.closed).toBe(false);
  // A new one of somebody with a token gets in, and the old one is still there.
  expect(await list(adminToken)).toBe(200);
  known.write(`GET ${configMaps} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${adminToken}\r\n\r\n`);
  expect(await statusOf(known)).toContain("200");
});

it("bodies that do not come stand in nobody else's way, and have an end", async () => {
  const [slow, other] = [await podToken("slow"), await podToken("other")];
  const answers: string[] = [];
  // One more than there may be: which of them comes last is the network's affair.
  for (let index = 0; index <= limits.bodiesAtOncePerUserMax; index++) {
    const socket = await open();
    void statusOf(socket).then((status) => answers.push(status));
    socket.write(`${head(slow, "Content-Length: 100\r\n")}{`);
  }
  // The last one of the same user is refused at once; others are served.
  await expect.poll(() => answers).toEqual(["HTTP/1.1 429 Too Many Requests"]);
  expect(await create("meanwhile")).toBe(201);
  expect((await server.send({ method: "POST", path: configMaps, token: other, body: "{}" })).status).toBe(403);
  await server.clock.advance(limits.bodyTimeoutMs);
  await expect.poll(() => answers).toHaveLength(limits.bodiesAtOncePerUserMax + 1);
  expect(new Set(answers.slice(1))).toEqual(new Set(["HTTP/1.1 408 Request Timeout"]));
  expect((await server.send({ method: "POST", path: configMaps, token: slow, body: "{}" })).status).toBe(403);
});

it("bodies that are large and come slowly are bounded in bytes, too", async () => {
  const token = await podToken("large");
  let left = limits.bodyBytesAtOncePerUserMax - 100;
  while (left > 0) {
    const part = "x".repeat(Math.min(left, limits.bodyBytesMax - 10));
    left -= part.length;
    const socket = await open();
    socket.write(head(token, `Content-Length: ${limits.bodyBytesMax}\r\n`) + part);
  }
  const more = { method: "POST", path: configMaps, token, body: "x".repeat(200) };
  await expect.poll(async () => (await server.send(more)).status).toBe(429);
  expect(await create("meanwhile")).toBe(201);
});

it("requests that are pipelined are answered in order; too many at once end that connection alone", async () => {
  const request = (more: string): string =>
    `GET /livez HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${adminToken}\r\n${more}\r\n`;
  const few = await open();
  let answers = "";
  few.on("data", (chunk: Buffer) => (answers += chunk.toString("latin1")));
  few.write(request("").repeat(49) + request("Connection: close\r\n"));
  await ended(few);
  expect(answers.split("HTTP/1.1 200")).toHaveLength(51);
  const many = await open();
  many.resume().write(request("").repeat(20_000));
  await ended(many);
  expect(server.api.metrics.render()).toContain('reason="PIPELINED"');
  expect(await list(adminToken)).toBe(200);
});

it("a slow client of a body that was refused does not keep the connection", async () => {
  const socket = await open();
  const closed = ended(socket);
  const answer = statusOf(socket);
  socket.write(head(adminToken, `Content-Length: ${limits.bodyBytesMax + 1}\r\n`));
  expect(await answer).toContain("413");
  await closed;
});
