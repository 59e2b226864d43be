// The handshake takes commands from whoever connects: none makes it throw, and nobody is let in by chance.
import "../leftovers.suite.ts";
import { VirtualClock } from "@wherry/core/testing";
import fc from "fast-check";
import { expect, it } from "vitest";
import { plainClient, plainServer, type Security } from "../index.ts";
import { allowKeys, curveClient, curveKeyPair, curveServer } from "../mechanism/curve.ts";
import { nullMechanism } from "../mechanism/null.ts";
import { encodeCommand, encodeReady, isProblem, parseCommand } from "../wire/command.ts";
import { encodeGreeting } from "../wire/greeting.ts";
import { Handshake } from "./handshake.ts";

const keys = curveKeyPair();
const securities: Readonly<Record<string, Security | undefined>> = {
  NULL: undefined,
  "PLAIN client": plainClient({ username: "a", password: "b" }),
  "PLAIN server": plainServer({ authenticate: ({ password }) => password === "b" }),
  "CURVE client": curveClient({ serverKey: keys.publicKey, ...curveKeyPair() }),
  "CURVE server": curveServer({ ...keys, authenticate: allowKeys([keys.publicKey]) }),
};

const metadata = encodeReady(new Map([["Socket-Type", Buffer.from("DEALER")]])).subarray(2 + 6);
const data = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  // The lengths that CURVE's commands have; what PLAIN and NULL would take.
  fc.constantFrom(194, 160, 144, 257, 30).chain((length) => fc.uint8Array({ minLength: length, maxLength: length })),
  fc.constantFrom(metadata, Buffer.from("\u0001a\u0001b"), Buffer.from("\u0001a\u0001c"), Buffer.alloc(0)),
);
const name = fc.oneof(
  fc.constantFrom("READY", "HELLO", "WELCOME", "INITIATE", "ERROR", "PING", "MESSAGE", "SUBSCRIBE"),
  fc.string({ maxLength: 12 }),
);
const greeting = fc.oneof(
  { weight: 5, arbitrary: fc.boolean().map((asServer) => ({ mutateAt: undefined, asServer, byte: 0 })) },
  { weight: 1, arbitrary: fc.record({ mutateAt: fc.nat(63), asServer: fc.boolean(), byte: fc.nat(255) }) },
);

it.each(Object.entries(securities))("%s: no commands whatever make it throw", (role, security) => {
  const clock = new VirtualClock();
  fc.assert(
    fc.property(greeting, fc.array(fc.tuple(name, data), { maxLength: 6 }), fc.nat(64), (hello, commands, cut) => {
      const context = { metadata: new Map([["Socket-Type", Buffer.from("ROUTER")]]), clock, address: "tcp://x:1" };
      const mechanism =
        security === undefined
          ? nullMechanism(context.metadata)
          : security.mechanismFor({ ...context, later: () => undefined });
      const handshake = new Handshake("ROUTER", mechanism, () => undefined);
      handshake.open();
      const bytes = encodeGreeting(role.split(" ")[0] ?? "", hello.asServer);
      if (hello.mutateAt !== undefined) bytes[hello.mutateAt] = hello.byte;
      let problem = undefined;
      for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
        const rest = handshake.greet(part);
        if (rest !== undefined && isProblem(rest)) problem ??= rest;
      }
      for (const [command, body] of commands) {
        if (problem !== undefined || handshake.introduction !== undefined) break;
        const encoded = encodeCommand(command, body);
        const parsed = parseCommand(Buffer.from(encoded.subarray(encoded[0] === 6 ? 9 : 2)));
        problem = isProblem(parsed) ? parsed : handshake.receive(parsed);
      }
      handshake.stop();
      if (problem !== undefined) expect(problem.detail).toMatch(/^[ -~]{1,300}$/);
      // With keys one cannot guess one's way in; with PLAIN and NULL one says what is asked.
      if (role.startsWith("CURVE")) expect(handshake.introduction).toBeUndefined();
      if (handshake.introduction !== undefined) expect(handshake.introduction.metadata.has("Socket-Type")).toBe(true);
    }),
    { numRuns: 500 },
  );
  expect(clock.pendingTimers).toBe(0);
});
