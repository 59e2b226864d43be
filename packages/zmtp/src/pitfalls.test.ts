// What users of the native binding suffer from, and what is not tested elsewhere. The table in the README names a test for each.
import { existsSync, readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { afterEach, expect, it } from "vitest";
import { echo, text, until } from "./harness.suite.ts";
import { type AnySocket, dealer, pull, push, router } from "./index.ts";

const open: (() => unknown)[] = [];
const keep = <T extends AnySocket>(socket: T): T => {
  open.push(() => socket.close({ lingerMs: 50 }));
  return socket;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()));
});
const anyPort = "tcp://127.0.0.1:*";
const patience = (): AbortSignal => AbortSignal.timeout(5_000);

it("installs nothing native: no binary, no build, no script", () => {
  const ours = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as Manifest;
  expect(Object.keys(ours.dependencies ?? {}).filter((name) => !name.startsWith("@wherry/"))).toEqual(["libsodium"]);
  const sodium = new URL("../../../node_modules/libsodium/", import.meta.url);
  const theirs = JSON.parse(readFileSync(new URL("package.json", sodium), "utf8")) as Manifest;
  for (const { scripts = {} } of [ours, theirs])
    expect(Object.keys(scripts).filter((name) => /^(pre|post)?install$|^prepare$/.test(name))).toEqual([]);
  expect(Object.keys(theirs.dependencies ?? {})).toEqual([]);
  expect(existsSync(new URL("binding.gyp", sodium))).toBe(false);
});

interface Manifest {
  readonly dependencies?: Record<string, string>;
  readonly scripts?: Record<string, string>;
}

it("sends and receives go on while it binds and stops accepting", async () => {
  const server = keep(router());
  const client = keep(dealer());
  client.connect(await server.bind(anyPort));
  echo(server);
  await client.writable(patience());
  const changes = Promise.all([server.bind(anyPort), server.stopAccepting(), client.bind(anyPort)]);
  expect(client.send("meanwhile")).toBe("sent");
  await changes;
  expect(text(await client.receive(patience()))).toEqual(["meanwhile"]);
});

it("a sent frame up to 8 KiB may be changed at once", async () => {
  const server = keep(router());
  const client = keep(dealer());
  client.connect(await server.bind(anyPort));
  await client.writable(patience());
  const frame = Buffer.alloc(8_192, "a");
  client.send(frame);
  frame.fill("b");
  const [, got] = await server.receive(patience());
  expect(got?.every((byte) => byte === 97)).toBe(true);
});

it("what the other side had sent when we disconnected is still delivered", async () => {
  const server = keep(router());
  const client = keep(dealer());
  const endpoint = await server.bind(anyPort);
  client.connect(endpoint);
  await client.writable(patience());
  for (let n = 0; n < 100; n++) client.send(`${n}`);
  client.disconnect(endpoint);
  echo(server);
  const got: string[] = [];
  while (got.length < 100) got.push(...text(await client.receive(patience())));
  expect(got).toEqual(Array.from({ length: 100 }, (_, n) => `${n}`));
});

it("thousands of sockets are nothing but objects", async () => {
  const sockets = Array.from({ length: 3_000 }, () => keep(pull()));
  for (const [index, socket] of sockets.entries()) await socket.bind(`inproc://many-${index}`);
  const source = keep(push());
  for (const index of sockets.keys()) source.connect(`inproc://many-${index}`);
  await until(() => source.peers.size === 3_000);
  for (let n = 0; n < 3_000; n++) expect(source.send("x")).toBe("sent");
  await until(() => sockets.every((socket) => socket.counters.messagesIn === 1));
});

it("works in a worker thread, whose end by process.exit harms nobody", async () => {
  const server = keep(router());
  echo(server);
  const endpoint = await server.bind(anyPort);
  const index = new URL("./index.ts", import.meta.url).href;
  const program = `
    const { dealer } = await import(${JSON.stringify(index)});
    const { parentPort } = await import("node:worker_threads");
    const client = dealer();
    client.connect(${JSON.stringify(endpoint)});
    await client.writable();
    client.send("from a thread");
    parentPort.postMessage(String((await client.receive())[0]));
    process.exit(3);
  `;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`), { execArgv: [] });
  const said: unknown[] = [];
  worker.on("message", (message) => said.push(message));
  const code = await new Promise((resolve, reject) => worker.once("exit", resolve).once("error", reject));
  expect([said, code]).toEqual([["from a thread"], 3]);
  await until(() => server.peers.size === 0);
});

it("a quick sender is told to stop, and memory stays within the queue's limit", async () => {
  const server = keep(router({ receiveQueueMessagesMax: 10 }));
  const client = keep(dealer({ peerQueueBytesMax: 1_000_000 }));
  client.connect(await server.bind(anyPort));
  await client.writable(patience());
  let accepted = 0;
  for (let n = 0; n < 100_000; n++) {
    if (client.send(Buffer.alloc(10_000)) !== "sent") continue;
    accepted++;
  }
  expect(accepted).toBeLessThan(100_000);
  const [peer] = client.peers.values();
  expect(peer?.queuedBytes).toBeLessThan(1_100_000);
});
