// The switches that `shared-read.ts` sets are Node's own: this tells when a new Node has others, and that sockets still do all the rest.
import { connect, createServer, type Socket } from "node:net";
import { afterEach, expect, it } from "vitest";
import { until } from "../harness.suite.ts";
import { letGo, readShared, type Sink } from "./shared-read.ts";

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

/** Takes text; into the shared buffer, unless something else is said. */
class Text implements Sink {
  text = "";
  readonly buffers = new Set<ArrayBufferLike>();
  where: Buffer | number = 65_536;
  take(bytes: Buffer): void {
    this.buffers.add(bytes.buffer);
    this.text += bytes.toString("latin1");
  }
  placed(bytes: number): void {
    if (typeof this.where === "number") throw new Error("nothing was placed");
    this.take(this.where.subarray(0, bytes));
  }
  next(): Buffer | number {
    return this.where;
  }
}

const skipped = process.platform === "win32" || Number.parseInt(process.versions.node, 10) > 24;
if (skipped) console.warn("SKIPPED: reading into buffers of ours, which is not done on this platform and Node");

it.skipIf(skipped)("accepted sockets read into the shared buffer: bytes, pausing, and the end", async () => {
  const { accepted, other } = await pair();
  const sink = new Text();
  let ended = false;
  expect(readShared(accepted, sink)).toBe(true);
  accepted.on("end", () => {
    ended = true;
  });
  accepted.resume();
  other.write("one");
  await until(() => sink.text === "one");
  other.write("two");
  await until(() => sink.text === "onetwo");
  expect(sink.buffers.size).toBe(1);

  accepted.pause();
  const large = "x".repeat(4_000_000);
  other.end(large);
  // An answer has come back, and nothing was read meanwhile.
  accepted.write("go on");
  await new Promise((resolve) => other.once("data", resolve));
  expect(sink.text).toBe("onetwo");
  accepted.resume();
  await until(() => ended);
  expect(sink.text.length).toBe(6 + large.length);
  accepted.end();
  await until(() => accepted.destroyed);
});

it.skipIf(skipped)(
  "the next read goes where it is to go: to a place of its own, a few bytes only, and back",
  async () => {
    const { accepted, other } = await pair();
    const sink = new Text();
    expect(readShared(accepted, sink)).toBe(true);
    accepted.resume();
    const place = Buffer.alloc(1_000_000, "-");
    sink.where = place;
    other.write("a");
    await until(() => sink.text === "a");
    // Said after the read of "a": the next one is placed.
    other.write("bcd");
    await until(() => sink.text === "abcd");
    expect(place.subarray(0, 4).toString()).toBe("bcd-");
    sink.where = 2;
    sink.take = (bytes) => (sink.text += `[${bytes.toString("latin1")}]`);
    sink.placed = (bytes) => (sink.text += `(${place.toString("latin1", 0, bytes)})`);
    other.write("e");
    await until(() => sink.text === "abcd(e)");
    other.write("fghij");
    await until(() => sink.text === "abcd(e)[fg][hi][j]");
    sink.where = place;
    other.write("k");
    await until(() => sink.text.endsWith("[k]"));
    const holds = (): boolean =>
      Object.getOwnPropertySymbols(accepted).some((at) => Reflect.get(accepted, at) === place);
    expect(holds()).toBe(true);
    accepted.destroy();
    await until(() => accepted.closed);
    letGo(accepted);
    expect(holds()).toBe(false);
  },
);

it("a socket without a handle is left as it is", async () => {
  const { accepted } = await pair();
  accepted.destroy();
  expect(readShared(accepted, new Text())).toBe(false);
});
