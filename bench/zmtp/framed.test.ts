// The limit that the others are held against does what they do: it finds every message, wherever the stream is cut.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, Socket } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { FramedWriter, readFrames } from "./framed.ts";

test("any split of the byte stream gives the same messages", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      (bodies, cuts) => {
        const bytes = Buffer.concat(
          bodies.flatMap((body) => {
            const header = Buffer.alloc(4);
            header.writeUInt32BE(body.length);
            return [header, body];
          }),
        );
        const socket = new Socket();
        const read: Buffer[] = [];
        readFrames(socket, (batch) => read.push(...batch));
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const end = at + (cuts[turn % cuts.length] ?? 1);
          socket.emit("data", bytes.subarray(at, end));
          at = end;
        }
        socket.destroy();
        expect(read.map((body) => body.toString("hex"))).toEqual(
          bodies.map((body) => Buffer.from(body).toString("hex")),
        );
      },
    ),
  );
});

test("small and large bodies arrive whole and in order, whatever the kernel takes at a time", async () => {
  const sizes = Array.from({ length: 300 }, (_, index) => [1, 64, 8_192, 8_193, 70_000, 1_000_000][index % 6] ?? 1);
  const received: string[] = [];
  const server = createServer((socket) =>
    readFrames(socket, (bodies) => {
      for (const body of bodies) received.push(`${body.length}×${body[0]}`);
    }),
  ).listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  await once(socket, "connect");
  const writer = new FramedWriter(socket);
  try {
    for (const [index, size] of sizes.entries()) {
      const keepsUp = writer.send(Buffer.alloc(size, index % 251));
      if (index % 17 === 0) writer.flush();
      if (!keepsUp && index % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await expect.poll(() => received.length).toBe(sizes.length);
    expect(received).toEqual(sizes.map((size, index) => `${size}×${index % 251}`));
  } finally {
    socket.destroy();
    server.close();
    await once(server, "close");
  }
});
