// @grpc/grpc-js: unary calls on one channel. Bodies go as they are: a definition by hand, whose serializers do nothing.
import {
  Client,
  credentials,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type sendUnaryData,
  type ServerUnaryCall,
} from "@grpc/grpc-js";
import { checkSize } from "../driver.ts";
import type { Library } from "../types.ts";

const same = (bytes: Buffer): Buffer => bytes;
const path = "/wherry.bench.Echo/Echo";
const method: MethodDefinition<Buffer, Buffer> = {
  path,
  requestStream: false,
  responseStream: false,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
};
const service: ServiceDefinition = { echo: method };
const options = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 } as const;
/** To be connected. */
const readyMs = 10_000;

export const library: Library = {
  async echoServer() {
    const server = new Server(options);
    server.addService(service, {
      echo: (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) => reply(null, call.request),
    });
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(`127.0.0.1:${port}`);
      else reject(error);
    });
    return promise;
  },

  async echoClient(endpoint, { bytes }, onReplies) {
    const client = new Client(endpoint, credentials.createInsecure(), { ...options, "grpc.enable_http_proxy": 0 });
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    client.waitForReady(performance.timeOrigin + performance.now() + readyMs, (error) => {
      if (error === undefined) resolve(undefined);
      else reject(error);
    });
    await promise;
    const body = Buffer.alloc(bytes, "x");
    const ask = (): void => {
      client.makeUnaryRequest(path, same, same, body, (error, reply) => {
        if (error !== null) throw error;
        checkSize(reply, bytes);
        onReplies(1);
      });
    };
    return {
      send(count) {
        for (let index = 0; index < count; index++) ask();
      },
    };
  },
};
