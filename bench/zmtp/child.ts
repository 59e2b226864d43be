// One side of one library in a process of its own: `node child.ts LIBRARY SETUP`. Talks with the benchmark over stdin and
// stdout (types.ts), and ends when stdin does, so that no child outlives the benchmark however that ended.
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Arrivals, EchoDriver } from "./driver.ts";
import { idleClients } from "./idle.ts";
import { Spending } from "./spending.ts";
import type { Command, Count, Library, Memory, Ready, Sender, Setup, Spent } from "./types.ts";

const libraries: Readonly<Record<string, () => Promise<{ readonly library: Library }>>> = {
  ours: () => import("./peers/ours.ts"),
  plain: () => import("./peers/ours.ts"),
  "busy-poll": async () => ({ library: (await import("./peers/ours.ts")).busyPolling }),
  recycle: async () => ({ library: (await import("./peers/ours.ts")).recycling }),
  "zeromq.js": () => import("./peers/zeromq-js.ts"),
  fastify: () => import("./peers/fastify.ts"),
  "grpc-js": () => import("./peers/grpc-js.ts"),
  "node:net": () => import("./peers/node-net.ts"),
  service: () => import("../service/peers/service.ts"),
  moleculer: () => import("../service/peers/moleculer.ts"),
  "nats-micro": () => import("../service/peers/nats-micro.ts"),
};

const [name = "", setupText = "{}"] = process.argv.slice(2);
const setup = JSON.parse(setupText) as Setup;
const echo = new EchoDriver();
const arrivals = new Arrivals();
const spending = new Spending();
let sender: Sender | undefined;

const lines = createInterface({ input: process.stdin });
lines.on("close", () => process.exit(0));
const commands: Command[] = [];
lines.on("line", (line) => {
  commands.push(JSON.parse(line) as Command);
  if (commands.length === 1) void work();
});
say(await start());

async function start(): Promise<Ready> {
  const { role, endpoint = "" } = setup;
  if (role === "idle-clients") {
    await idleClients(name, endpoint, setup.connections ?? 0);
    return { ready: true };
  }
  const { library } = await (libraries[name] ?? missing)();
  switch (role) {
    case "echo-server":
    case "idle-server":
      return { ready: true, endpoint: await (library.echoServer ?? missing)(setup) };
    case "echo-client":
      echo.client = await (library.echoClient ?? missing)(endpoint, setup, echo.onReplies);
      return { ready: true };
    case "pub":
    case "push":
      sender = await (library.sender ?? missing)(role, setup);
      return { ready: true, endpoint: sender.endpoint };
    case "sub":
    case "pull":
      await (library.receiver ?? missing)(role, endpoint, setup, arrivals.onMessages);
      return { ready: true };
  }
}

function missing(): never {
  throw new Error(`${name} has no ${setup.role}`);
}

/** One command after the other. */
async function work(): Promise<void> {
  for (let command = commands[0]; command !== undefined; command = commands[0]) {
    say(await answer(command));
    commands.shift();
  }
}

async function answer(command: Command): Promise<Count | Memory | Spent> {
  switch (command.op) {
    case "echo":
      return echo.echo(command.outstanding, command.warmupMs, command.measureMs);
    case "count":
      return echo.count(command.outstanding, command.messages);
    case "window":
      return arrivals.window(command.warmupMs, command.measureMs);
    case "await":
      return arrivals.await(command.messages);
    case "start":
      sender?.start();
      return { messages: 0, elapsedMs: 0 };
    case "stop":
      return { messages: (await sender?.stop()) ?? 0, elapsedMs: 0 };
    case "memory":
      return memory();
    case "spend":
      await spending.start();
      return { messages: 0, elapsedMs: 0 };
    case "spent":
      return spending.end();
  }
}

async function memory(): Promise<Memory> {
  if (globalThis.gc === undefined) throw new Error("the memory of a process is read with --expose-gc only");
  // What a collection frees through finalizers is free after the next turn.
  for (let round = 0; round < 3; round++) {
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heapUsed, external, rss };
}

function say(line: Ready | Count | Memory | Spent): void {
  if (!process.stdout.write(`${JSON.stringify(line)}\n`)) void once(process.stdout, "drain");
}
