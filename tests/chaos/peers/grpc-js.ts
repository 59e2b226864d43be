// @grpc/grpc-js behind the Service, one channel; at SIGTERM `tryShutdown`, which sends GOAWAY and finishes what runs.
import { setTimeout as pause } from "node:timers/promises";
import {
  Client,
  credentials,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type sendUnaryData,
  type ServerUnaryCall,
} from "@grpc/grpc-js";
import { deadlineMs, type Peer, workMs } from "./types.ts";

const same = (bytes: Buffer): Buffer => bytes;
const path = "/wherry.chaos.Ledger/Work";
const method: MethodDefinition<Buffer, Buffer> = {
  path,
  requestStream: false,
  responseStream: false,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
};

export const peer: Peer = {
  async serve(host, port) {
    const server = new Server();
    const work = (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>): void =>
      void pause(workMs).then(() => reply(null, call.request));
    server.addService({ work: method }, { work });
    process.once("SIGTERM", () => server.tryShutdown(() => process.exit(0)));
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error, taken) =>
      error === null ? resolve(taken) : reject(error),
    );
    await promise;
  },

  async connect(address) {
    const client = new Client(address, credentials.createInsecure(), { "grpc.enable_http_proxy": 0 });
    return {
      call: (id) =>
        new Promise((resolve, reject) => {
          const deadline = Date.now() + deadlineMs;
          client.makeUnaryRequest(path, same, same, Buffer.from(String(id)), { deadline }, (error, reply) => {
            if (error !== null) reject(error);
            else if (Number(reply) !== id) reject(new Error("another answer"));
            else resolve();
          });
        }),
      close: () => client.close(),
    };
  },
};
