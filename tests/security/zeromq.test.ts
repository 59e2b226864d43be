// The messaging port of a pod against peers that break the protocol: each loses its connection and is counted, and a client
// that calls meanwhile loses nothing.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SeededRandom } from "@wherry/core/testing";
import { type PodView, Session } from "../support/session.ts";

const session = new Session();
let host: string;

beforeAll(async () => {
  const { code, stdout, stderr } = await session.run("up", "examples/echo", "--detach");
  expect(code, stdout + stderr).toBe(0);
  host = (await session.get<{ items: PodView[] }>("pods")).items[0]!.status.podIP!;
});
afterAll(() => session.close());

const greeting = Buffer.concat([
  Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0]),
  Buffer.from("NULL".padEnd(20, "\0"), "latin1"),
  Buffer.alloc(32),
]);
const ready = Buffer.concat([Buffer.from([4, 28]), Buffer.from("\x05READY\x0bSocket-Type\0\0\0\x06DEALER", "latin1")]);
const announced = (bytes: bigint): Buffer => {
  const size = Buffer.alloc(9);
  size[0] = 2;
  size.writeBigUInt64BE(bytes, 1);
  return size;
};

function open(bytes: Uint8Array): Socket {
  const socket = connect({ host, port: 5555 });
  socket.on("error", () => undefined);
  socket.resume();
  socket.write(bytes);
  return socket;
}

/** By reason. */
async function drops(): Promise<Map<string, number>> {
  const text = await (await fetch(`http://${host}:9000/metrics`)).text();
  return new Map(
    [...text.matchAll(/^wherry_peer_drops_total\{reason="([^"]+)"\} (\d+)$/gm)].map((match) => [
      match[1]!,
      Number(match[2]),
    ]),
  );
}

test("garbage, oversized and half frames cost their sender the connection, and no call of another client", async () => {
  const before = await drops();
  const calls = session.run("call", "echo", "echo", "hi", "--count", "3000", "--concurrency", "20");
  const random = new SeededRandom(7);
  const noise = (bytes: number): Buffer =>
    Buffer.from(Array.from({ length: bytes }, () => Math.floor(random.next() * 256)));
  for (let index = 0; index < 50; index++) {
    // The first byte is not that of a greeting.
    await once(open(Buffer.concat([Buffer.from([0x47]), noise(100)])), "close");
    const afterHello = open(Buffer.concat([greeting, ready, Buffer.from([0x80 | index]), noise(200)]));
    await once(afterHello, "close");
  }
  for (const bytes of [2n ** 63n, 2n ** 64n - 1n, 2n ** 40n, 9n * 2n ** 20n])
    await once(open(Buffer.concat([greeting, ready, announced(bytes)])), "close");
  const half = Array.from({ length: 50 }, () =>
    open(Buffer.concat([greeting, ready, announced(1_000_000n), noise(50)])),
  );
  const idle = Array.from({ length: 500 }, () => open(Buffer.alloc(0)));
  await Promise.all(idle.map((socket) => once(socket, "connect")));
  const { code, stdout, stderr } = await calls;
  expect(code, stdout + stderr).toBe(0);
  expect((await session.run("call", "echo", "echo", "still here")).stdout).toBe("still here\n");
  for (const socket of [...half, ...idle]) socket.destroy();

  const after = await drops();
  const more = (reason: string): number => (after.get(reason) ?? 0) - (before.get(reason) ?? 0);
  expect(more("protocol-error")).toBeGreaterThanOrEqual(100);
  expect(more("frame-too-large")).toBe(4);
  const { items } = await session.get<{ items: PodView[] }>("pods");
  expect(items[0]!.status.containerStatuses![0]!.restartCount).toBe(0);
});
