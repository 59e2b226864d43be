// A service's test in one line: its handlers, and a typed client of it.
import type { Client, ConnectOptions } from "../client/types.ts";
import type { Service } from "../service.ts";
import { testService, type TestServiceOptions } from "./test-service.ts";

export interface TestClientOptions extends Pick<TestServiceOptions, "clock" | "random" | "log"> {
  /** As of `connect`. */
  readonly connect?: ConnectOptions;
}

/**
 * A client of a service that runs in memory; closing the client closes the service. A bug in a handler ends the pod as it would in a
 * cluster: the call fails with ABORTED, and closing rejects with what was thrown.
 * @example
 * await using client = await testClient(shop);
 * assert.equal(await client.buy({ count: 1 }), 1);
 */
export async function testClient<S extends Service>(service: S, options: TestClientOptions = {}): Promise<Client<S>> {
  const started = await testService(service, options);
  const client = started.connect(options.connect as ConnectOptions<S> | undefined);
  const close = (): Promise<void> => started.close();
  return new Proxy(client, {
    get: (target, name) =>
      name === "close" || name === Symbol.asyncDispose ? close : (Reflect.get(target, name) as unknown),
  });
}
