// The CURVE machines by themselves: every command cut short, changed, repeated, out of order, or from somebody else.
import "../leftovers.suite.ts";
import { SystemClock } from "@wherry/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Command, encodeCommand, isProblem, parseCommand } from "../wire/command.ts";
import { flagCommand, flagMore } from "../wire/frame.ts";
import type { Problem } from "../wire/problem.ts";
import { allowKeys, curveClient, curveKeyPair, curvePublicKey, curveServer } from "./curve.ts";
import { CurveClient } from "./curve-client.ts";
import type { FrameSeal, Mechanism, Step } from "./mechanism.ts";
import { z85Decode } from "./z85.ts";

const serverKeys = curveKeyPair();
const clientKeys = curveKeyPair();

const metadata = (socketType: string): Map<string, Buffer> =>
  new Map([
    ["Socket-Type", Buffer.from(socketType)],
    ["Identity", Buffer.alloc(0)],
  ]);
const contextOf = (socketType: string) => ({
  address: "tcp://127.0.0.1:1",
  metadata: metadata(socketType),
  clock: new SystemClock(),
  later: () => undefined,
});
const makeClient = (keys: Parameters<typeof curveClient>[0] = { serverKey: serverKeys.publicKey, ...clientKeys }) =>
  curveClient(keys).mechanismFor(contextOf("DEALER"));
const makeServer = () =>
  curveServer({ ...serverKeys, authenticate: allowKeys([clientKeys.publicKey]) }).mechanismFor(contextOf("ROUTER"));

/** The command that a step sends. */
function sent(step: Step | Problem): Command {
  if (isProblem(step)) throw new Error(`a problem: ${step.detail}`);
  if (step.send === undefined) throw new Error("nothing is sent");
  const command = parseCommand(step.send.subarray(step.send[0] === flagCommand ? 2 : 9));
  if (isProblem(command)) throw new Error(command.detail);
  return command;
}

function problemOf(step: Step | Problem): Problem | undefined {
  return isProblem(step) ? step : step.refuse;
}

/** A conversation up to the given command; that one is made, but not delivered. */
type Name = "HELLO" | "WELCOME" | "INITIATE" | "READY";
const names: readonly Name[] = ["HELLO", "WELCOME", "INITIATE", "READY"];
interface Talk {
  readonly client: Mechanism;
  readonly server: Mechanism;
  readonly commands: Partial<Record<Name, Command>>;
  /** The last step of each side. */
  clientStep?: Step | Problem;
  serverStep?: Step | Problem;
}

function talkUntil(last: Name | "done", client = makeClient(), server = makeServer()): Talk {
  const talk: Talk = { client, server, commands: {} };
  let command = sent(client.start());
  for (const name of names) {
    expect(command.name).toBe(name);
    talk.commands[name] = { name, data: Buffer.from(command.data) };
    if (name === last) return talk;
    const toServer = name === "HELLO" || name === "INITIATE";
    const step = (toServer ? server : client).receive({ name, data: Buffer.from(command.data) });
    if (toServer) talk.serverStep = step;
    else talk.clientStep = step;
    if (name !== "READY") command = sent(step);
  }
  return talk;
}

const receiverOf = (talk: Talk, name: Name): Mechanism =>
  name === "HELLO" || name === "INITIATE" ? talk.server : talk.client;

function sealsOf(talk: Talk): { client: FrameSeal; server: FrameSeal } {
  const { clientStep, serverStep } = talk;
  if (clientStep === undefined || isProblem(clientStep) || clientStep.seal === undefined) throw new Error("no client");
  if (serverStep === undefined || isProblem(serverStep) || serverStep.seal === undefined) throw new Error("no server");
  return { client: clientStep.seal, server: serverStep.seal };
}

function sealed(seal: FrameSeal, body: Uint8Array, flags = 0): Buffer {
  const frame = Buffer.alloc(body.length + seal.overheadBytes);
  seal.seal(flags, body, frame, 0);
  return frame;
}

describe("the handshake", () => {
  it("ends with each side knowing the other's metadata, and the server knowing the client's key", () => {
    const { clientStep, serverStep } = talkUntil("done");
    if (clientStep === undefined || serverStep === undefined || isProblem(clientStep) || isProblem(serverStep))
      throw new Error("it did not end");
    expect(clientStep.ready?.get("Socket-Type")?.toString()).toBe("ROUTER");
    expect(serverStep.ready?.get("Socket-Type")?.toString()).toBe("DEALER");
    expect(serverStep.userId).toBe(clientKeys.publicKey);
  });

  it.each(names)("takes no %s that is cut short, anywhere", (name) => {
    const whole = talkUntil(name).commands[name]?.data ?? Buffer.alloc(0);
    for (let bytes = 0; bytes < whole.length; bytes++) {
      // The machine of each try is its own: a failed handshake is over.
      const talk = talkUntil(name);
      const data = talk.commands[name]?.data.subarray(0, bytes) ?? Buffer.alloc(0);
      expect(problemOf(receiverOf(talk, name).receive({ name, data })), `${bytes} bytes`).toBeDefined();
    }
  });

  it.each(names)("takes no %s with a bit changed, anywhere", (name) => {
    const whole = talkUntil(name).commands[name]?.data ?? Buffer.alloc(0);
    for (let at = 0; at < whole.length; at++) {
      // RFC 26 leaves HELLO's padding out of the signature: it says nothing.
      if (name === "HELLO" && at >= 2 && at < 74) continue;
      const talk = talkUntil(name);
      const data = Buffer.from(talk.commands[name]?.data ?? []);
      data[at] = (data[at] ?? 0) ^ (1 << (at % 8));
      expect(problemOf(receiverOf(talk, name).receive({ name, data })), `byte ${at}`).toBeDefined();
    }
  });

  it.each(names)("takes no %s with a byte more", (name) => {
    const talk = talkUntil(name);
    const data = Buffer.concat([talk.commands[name]?.data ?? Buffer.alloc(0), Buffer.of(0)]);
    expect(problemOf(receiverOf(talk, name).receive({ name, data }))).toBeDefined();
  });

  it("takes each command once, and in its turn", () => {
    for (const when of names) {
      for (const name of names) {
        if (name === when) continue;
        const talk = talkUntil(when);
        const other = talkUntil(name).commands[name];
        if (other === undefined) throw new Error("no command");
        const own = talk.commands[name] ?? other;
        expect(problemOf(receiverOf(talk, when).receive(own)), `${name} for ${when}`).toBeDefined();
      }
    }
  });

  it("does not throw for any bytes", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...names),
        fc.constantFrom(...names, "ERROR", "PING", "x"),
        fc.uint8Array({ maxLength: 400 }),
        (when, name, bytes) => {
          const talk = talkUntil(when);
          expect(problemOf(receiverOf(talk, when).receive({ name, data: Buffer.from(bytes) }))).toBeDefined();
        },
      ),
      { numRuns: 200 },
    );
  });

  it("takes no INITIATE of another connection: its cookie is for that one", () => {
    const recorded = talkUntil("INITIATE");
    const { HELLO, INITIATE } = recorded.commands;
    if (HELLO === undefined || INITIATE === undefined) throw new Error("no commands");
    const server = makeServer();
    expect(sent(server.receive(HELLO)).name).toBe("WELCOME");
    expect(problemOf(server.receive(INITIATE))).toEqual({
      reason: "authentication-failed",
      detail: "INITIATE without the cookie of this connection's WELCOME",
    });
  });

  it("tells a client with another server's key nothing", () => {
    const client = makeClient({ serverKey: curveKeyPair().publicKey, ...clientKeys });
    const step = makeServer().receive(sent(client.start()));
    expect(step).toEqual({
      reason: "authentication-failed",
      detail: "HELLO cannot be opened: the client has another server's key",
    });
  });

  it("trusts no server but the owner of the server key", () => {
    const other = curveServer({ ...curveKeyPair(), authenticate: () => true }).mechanismFor(contextOf("ROUTER"));
    const client = makeClient();
    const theirs = makeClient({ serverKey: curvePublicKey(serverKeys.secretKey), ...clientKeys });
    client.start();
    const welcome = makeServer().receive(sent(theirs.start()));
    expect(problemOf(client.receive(sent(welcome)))?.reason).toBe("authentication-failed");
    expect(problemOf(other.receive(sent(makeClient().start())))?.reason).toBe("authentication-failed");
  });

  it("refuses a client whose key is not admitted, and tells it by ERROR", () => {
    const talk = talkUntil("INITIATE", makeClient({ serverKey: serverKeys.publicKey, ...curveKeyPair() }));
    const { INITIATE } = talk.commands;
    if (INITIATE === undefined) throw new Error("no INITIATE");
    const step = talk.server.receive(INITIATE);
    expect(problemOf(step)).toEqual({ reason: "authentication-failed", detail: "authenticate said no" });
    expect(problemOf(talk.client.receive(sent(step)))).toEqual({
      reason: "refused-by-peer",
      detail: 'the peer said ERROR: "400" (authentication failed)',
    });
  });

  it("refuses a client that claims a key without having it: the vouch does not open", () => {
    const keys = {
      publicKey: z85Decode(clientKeys.publicKey),
      secretKey: z85Decode(curveKeyPair().secretKey),
      serverKey: z85Decode(serverKeys.publicKey),
    };
    const talk = talkUntil("INITIATE", new CurveClient(contextOf("DEALER"), keys));
    const { INITIATE } = talk.commands;
    if (INITIATE === undefined) throw new Error("no INITIATE");
    const step = talk.server.receive(INITIATE);
    expect(problemOf(step)).toEqual({
      reason: "authentication-failed",
      detail: "the vouch does not prove the client's long-term key",
    });
  });

  it("is refused by a key of low order", () => {
    const talk = talkUntil("HELLO");
    const data = Buffer.from(talk.commands.HELLO?.data ?? []);
    data.fill(0, 74, 106);
    expect(problemOf(talk.server.receive({ name: "HELLO", data }))?.reason).toBe("authentication-failed");
    const useless = curveClient({ ...clientKeys, serverKey: new Uint8Array(32) }).mechanismFor(contextOf("DEALER"));
    expect(problemOf(useless.start())?.reason).toBe("authentication-failed");
  });
});

describe("messages", () => {
  it("arrive as they were, with their flags, both ways", () => {
    const { client, server } = sealsOf(talkUntil("done"));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), fc.constantFrom(0, flagMore, flagCommand), (body, flags) => {
        for (const [from, to] of [
          [client, server],
          [server, client],
        ] as const) {
          const opened = to.open(sealed(from, body, flags));
          expect(Uint8Array.from(opened as Buffer)).toEqual(body);
          expect(to.openedFlags).toBe(flags);
        }
      }),
    );
  });

  it("never look the same twice", () => {
    const { client } = sealsOf(talkUntil("done"));
    const body = Buffer.from("the same");
    const frames = new Set(Array.from({ length: 100 }, () => sealed(client, body).toString("hex")));
    expect(frames.size).toBe(100);
  });

  it("that were there before are refused, and so are older ones", () => {
    const { client, server } = sealsOf(talkUntil("done"));
    const [first, second] = [sealed(client, Buffer.from("1")), sealed(client, Buffer.from("2"))];
    const again = Buffer.from(second);
    expect(isProblem(server.open(second))).toBe(false);
    expect(server.open(again)).toMatchObject({ reason: "protocol-error" });
    expect(server.open(first)).toMatchObject({ reason: "protocol-error" });
  });

  it("of the other direction are refused: an echo is no answer", () => {
    const { client, server } = sealsOf(talkUntil("done"));
    sealed(server, Buffer.from("x"));
    const own = sealed(client, Buffer.from("x"));
    expect(client.open(own)).toMatchObject({ reason: "protocol-error" });
  });

  it("of another connection of the same two are refused", () => {
    const one = sealsOf(talkUntil("done"));
    const other = sealsOf(talkUntil("done"));
    expect(other.server.open(sealed(one.client, Buffer.from("x")))).toMatchObject({ reason: "protocol-error" });
  });

  it("cut short or changed anywhere are refused, and the true one is still taken", () => {
    const { client, server } = sealsOf(talkUntil("done"));
    const frame = sealed(client, Buffer.from("hello"));
    for (let at = 0; at < frame.length; at++) {
      expect(server.open(Buffer.from(frame.subarray(0, at)))).toMatchObject({ reason: "protocol-error" });
      const changed = Buffer.from(frame);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      expect(server.open(changed)).toMatchObject({ reason: "protocol-error" });
    }
    expect((server.open(frame) as Buffer).toString()).toBe("hello");
  });

  it("in clear are refused, commands as well", () => {
    const { server } = sealsOf(talkUntil("done"));
    for (const frame of [Buffer.alloc(0), Buffer.from("hello"), encodeCommand("PING", Buffer.of(0, 1)).subarray(2)])
      expect(server.open(frame)).toMatchObject({ reason: "protocol-error" });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(server.open(Buffer.from(bytes))).toMatchObject({ reason: "protocol-error" });
      }),
    );
  });
});
