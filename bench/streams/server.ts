// The service of the streams' benchmark, as a process of its own: items of 64 bytes out and in, and events. Prints its endpoint.
// With `grpc` as its argument, @grpc/grpc-js serves the same.
import { method, serve, service, unchecked } from "@wherry/service";

const item = Buffer.alloc(64, "x");

function* items(count: number): Generator<Uint8Array> {
  for (let left = count; left > 0; left--) yield item;
}

async function ours(): Promise<string> {
  const feed = service("feed", {
    topics: { tick: unchecked<Uint8Array>() },
    methods: {
      out: method({ stream: "out", handler: (count: number) => items(count) }),
      in: method({
        stream: "in",
        handler: async (given: AsyncIterableIterator<Uint8Array>) => {
          let count = 0;
          for await (const each of given) count += each.length === item.length ? 1 : 0;
          return count;
        },
      }),
    },
  });
  return (await serve(feed)).endpoint;
}

async function grpc(): Promise<string> {
  const { Server, ServerCredentials } = await import("@grpc/grpc-js");
  const { definition } = await import("./grpc.ts");
  const server = new Server();
  server.addService(definition, {
    out: (call: {
      request: Buffer;
      write: (bytes: Buffer) => boolean;
      once: (event: string, then: () => void) => void;
      end: () => void;
    }) => {
      const source = items(call.request.readUInt32BE());
      const pour = (): void => {
        for (let next = source.next(); next.done !== true; next = source.next())
          if (!call.write(next.value as Buffer)) {
            call.once("drain", pour);
            return;
          }
        call.end();
      };
      pour();
    },
    in: (call: AsyncIterable<Buffer>, reply: (error: null, bytes: Buffer) => void) => {
      void (async () => {
        let count = 0;
        for await (const each of call) count += each.length === item.length ? 1 : 0;
        const bytes = Buffer.alloc(4);
        bytes.writeUInt32BE(count);
        reply(null, bytes);
      })();
    },
  });
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(`127.0.0.1:${port}`);
      else reject(error);
    });
  });
}

process.stdout.write(`${await (process.argv[2] === "grpc" ? grpc() : ours())}\n`);
// The benchmark is gone, and so is this.
process.stdin.resume().on("end", () => process.exit(0));
