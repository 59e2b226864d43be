// The same two streams for @grpc/grpc-js: a definition by hand, whose serializers do nothing.
import type { MethodDefinition } from "@grpc/grpc-js";

const same = (bytes: Buffer): Buffer => bytes;
const plain = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same };

export const definition: {
  readonly out: MethodDefinition<Buffer, Buffer>;
  readonly in: MethodDefinition<Buffer, Buffer>;
} = {
  out: { path: "/wherry.bench.Feed/Out", requestStream: false, responseStream: true, ...plain },
  in: { path: "/wherry.bench.Feed/In", requestStream: true, responseStream: false, ...plain },
};
