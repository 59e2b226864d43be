// `@wherry/service/testing`: tests of services without network, processes or waiting. The service's own handlers, queue, drain and
// crash run as they do in a pod; only sockets are in memory, and time is the test's if it wants.
export { SeededRandom, VirtualClock } from "@wherry/core/testing";
export { testClient, type TestClientOptions } from "./test-client.ts";
export { type TestPod, TestService, testService, type TestServiceOptions } from "./test-service.ts";
