// Against real libzmq by the native binding zeromq.js: what goes beyond the matrix of matrix/matrix.test.ts.
import { VirtualClock } from "@wherry/core/testing";
import { afterEach, expect, it } from "vitest";
import * as zmq from "zeromq";
import { echo, text, until } from "./harness.suite.ts";
import { expectHeartbeats } from "./heartbeats.suite.ts";
import { dealer, reply, router } from "./index.ts";

const open: (() => unknown)[] = [];
const keep = <T extends { close: () => unknown }>(socket: T): T => {
  open.push(() => socket.close());
  return socket;
};
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

async function echoTheirs(server: zmq.Reply | zmq.Router | zmq.Dealer): Promise<void> {
  try {
    for await (const message of server) await server.send(message);
  } catch {
    // The test has ended and closed it.
  }
}

it("a DEALER sends REP its envelope, both ways", async () => {
  const ours = keep(reply());
  const theirs = keep(new zmq.Dealer({ receiveTimeout: 60_000 }));
  theirs.connect(await ours.bind("tcp://127.0.0.1:*"));
  echo(ours);
  await theirs.send(["hop", "", "question"]);
  expect(text(await theirs.receive())).toEqual(["hop", "", "question"]);

  const rep = keep(new zmq.Reply());
  await rep.bind("tcp://127.0.0.1:*");
  void echoTheirs(rep);
  const client = keep(dealer());
  client.connect(rep.lastEndpoint ?? "");
  await client.writable();
  client.send(["hop", "", "question"]);
  expect(text(await client.receive())).toEqual(["hop", "", "question"]);
});

it("routing ids are announced to libzmq and understood from it", async () => {
  const theirs = keep(new zmq.Router());
  await theirs.bind("tcp://127.0.0.1:*");
  const client = keep(dealer({ routingId: "wherry-1" }));
  client.connect(theirs.lastEndpoint ?? "");
  await client.writable();
  client.send("hello");
  expect(text(await theirs.receive())).toEqual(["wherry-1", "hello"]);

  const ours = keep(router());
  const native = keep(new zmq.Dealer({ routingId: "native-1" }));
  native.connect(await ours.bind("tcp://127.0.0.1:*"));
  await native.send("hello");
  expect(text(await ours.receive())).toEqual(["native-1", "hello"]);
  expect(ours.send(["native-1", "back"])).toBe("sent");
  expect(text(await native.receive())).toEqual(["back"]);
  expect([...ours.peers.values()].map((peer) => peer.metadata.get("Socket-Type"))).toEqual(["DEALER"]);
});

it("libzmq's heartbeats are answered, and ours by it", async () => {
  const clock = new VirtualClock();
  const ours = keep(router({ heartbeatMs: 1_000, clock }));
  await expectHeartbeats(ours, clock, await ours.bind("tcp://127.0.0.1:*"), (options) => keep(new zmq.Dealer(options)));
});

it("thousands of messages keep their order through libzmq", async () => {
  const theirs = keep(new zmq.Router());
  await theirs.bind("tcp://127.0.0.1:*");
  void echoTheirs(theirs);
  const client = keep(dealer());
  client.connect(theirs.lastEndpoint ?? "");
  await client.writable();
  const got: number[] = [];
  client.onMessages((messages) => {
    for (const [frame] of messages) got.push(Number(Buffer.from(frame ?? []).toString()));
    return undefined;
  });
  for (let n = 0; n < 5_000; n++) {
    while (client.send(String(n)) !== "sent") await client.writable();
    // libzmq's ROUTER drops what goes beyond its own queue limit: stay below it.
    if (n % 500 === 499) await until(() => got.length === n + 1);
  }
  expect(got).toEqual(Array.from({ length: 5_000 }, (_, n) => n));
});
