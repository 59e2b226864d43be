// The switches that `shared-read.ts` sets are Node's own: this tells when a new Node has others, and that sockets still do all the rest.
import { connect, createServer, type Socket } from "node:net";
import { afterEach, expect, it } from "vitest";
import { until } from "../harness.suite.ts";
import { readShared } from "./shared-read.ts";

const open: (() => unknown)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
});

async function pair(): Promise<{ accepted: Socket; other: Socket }> {
  const server = createServer({ allowHalfOpen: true });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
  const other = connect({ port: typeof address === "object" ? (address?.port ?? 0) : 0, host: "127.0.0.1" });
  open.push(
    () => server.close(),
    () => other.destroy(),
  );
  const socket = await accepted;
  open.push(() => socket.destroy());
  return { accepted: socket, other };
}

const skipped = process.platform === "win32" || Number.parseInt(process.versions.node, 10) > 24;
if (skipped) console.warn("SKIPPED: reading into a shared buffer, which is not done on this platform and Node");

it.skipIf(skipped)("accepted sockets read into the shared buffer: bytes, pausing, and the end", async () => {
  const { accepted, other } = await pair();
  let got = "";
  let ended = false;
  const buffers = new Set<ArrayBufferLike>();
  expect(
    readShared(accepted, (bytes) => {
      buffers.add(bytes.buffer);
      got += bytes.toString("latin1");
    }),
  ).toBe(true);
  accepted.on("end", () => {
    ended = true;
  });
  accepted.resume();
  other.write("one");
  await until(() => got === "one");
  other.write("two");
  await until(() => got === "onetwo");
  expect(buffers.size).toBe(1);

  accepted.pause();
  const large = "x".repeat(4_000_000);
  other.end(large);
  // An answer has come back, and nothing was read meanwhile.
  accepted.write("go on");
  await new Promise((resolve) => other.once("data", resolve));
  expect(got).toBe("onetwo");
  accepted.resume();
  await until(() => ended);
  expect(got.length).toBe(6 + large.length);
  accepted.end();
  await until(() => accepted.destroyed);
});

it("a socket without a handle is left as it is", async () => {
  const { accepted } = await pair();
  accepted.destroy();
  expect(readShared(accepted, () => undefined)).toBe(false);
});
