// For the tests of PLAIN and CURVE against libzmq: both sides' options, bodies, exchanges. libzmq's server asks a ZAP handler
// (RFC 27), which is a socket of its own; without one, CURVE admits every client that knows the server's key, and PLAIN nobody.
import "../leftovers.suite.ts";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect } from "vitest";
import * as zmq from "zeromq";
import { allowUsers, plainClient, plainServer, type Security, type Socket, z85Decode } from "../index.ts";
import { allowKeys, curveClient, curveKeyPair, curveServer } from "./curve.ts";

const directory = mkdtempSync(join(tmpdir(), "zmtp-"));
const open: (() => unknown)[] = [];
export const keep = <T extends { close: () => unknown }>(socket: T): T => {
  open.push(() => socket.close());
  return socket;
};
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});
afterAll(() => rmSync(directory, { recursive: true }));

export const serverKeys = curveKeyPair();
export const clientKeys = curveKeyPair();
export const password = "s3cret words";

export interface Side {
  readonly ours: () => Security;
  /** zeromq.js's options for the same. */
  readonly theirs: object;
}

export const mechanisms: Record<"PLAIN" | "CURVE", { server: Side; client: Side }> = {
  PLAIN: {
    server: {
      ours: () => plainServer({ authenticate: allowUsers({ admin: password }) }),
      theirs: { plainServer: true },
    },
    client: {
      ours: () => plainClient({ username: "admin", password }),
      theirs: { plainUsername: "admin", plainPassword: password },
    },
  },
  CURVE: {
    server: {
      ours: () => curveServer({ ...serverKeys, authenticate: allowKeys([clientKeys.publicKey]) }),
      theirs: { curveServer: true, curvePublicKey: serverKeys.publicKey, curveSecretKey: serverKeys.secretKey },
    },
    client: {
      ours: () => curveClient({ serverKey: serverKeys.publicKey, ...clientKeys }),
      theirs: {
        curveServerKey: serverKeys.publicKey,
        curvePublicKey: clientKeys.publicKey,
        curveSecretKey: clientKeys.secretKey,
      },
    },
  },
};

const bodies: Buffer[][] = [
  [Buffer.from("x")],
  [Buffer.alloc(0)],
  // Where a sealed frame's length, 33 bytes more, needs eight bytes; where it is no longer copied.
  [Buffer.alloc(222, 1), Buffer.alloc(223, 2), Buffer.alloc(255, 3), Buffer.alloc(256, 4)],
  [Buffer.from("a"), Buffer.alloc(0), Buffer.from("b")],
  [Buffer.alloc(8_159, 5), Buffer.alloc(8_160, 6), Buffer.alloc(65_536, 7)],
  [Buffer.alloc(1 << 20, 8), Buffer.alloc(0), Buffer.alloc(1_200_000, 9)],
];

const same = (got: readonly Uint8Array[], sent: readonly Uint8Array[]): void => {
  expect(got.map((frame) => frame.length)).toEqual(sent.map((frame) => frame.length));
  expect(Buffer.concat(got).equals(Buffer.concat(sent))).toBe(true);
};

export async function exchangeOurs(client: Socket): Promise<void> {
  await client.writable(AbortSignal.timeout(60_000));
  for (const body of bodies) {
    expect(client.send(body)).toBe("sent");
    same(await client.receive(AbortSignal.timeout(60_000)), body);
  }
}

export async function exchangeTheirs(client: zmq.Request | zmq.Dealer): Promise<void> {
  client.receiveTimeout = 60_000;
  for (const body of bodies) {
    await client.send(body);
    same(await client.receive(), body);
  }
}

export async function echoTheirs(server: zmq.Reply | zmq.Router): Promise<void> {
  try {
    for await (const message of server) await server.send(message);
  } catch {
    // The test has ended and closed it.
  }
}

export const asked: string[] = [];

/** A ZAP handler for libzmq's servers of this process. */
export async function serveZap(): Promise<() => void> {
  const zap = new zmq.Reply();
  await zap.bind("inproc://zeromq.zap.01");
  void (async (): Promise<void> => {
    for await (const [version = "", id = "", , , , mechanism = "", ...credentials] of zap) {
      const known =
        String(mechanism) === "CURVE"
          ? credentials[0]?.equals(z85Decode(clientKeys.publicKey)) === true
          : String(credentials[0]) === "admin" && String(credentials[1]) === password;
      asked.push(`${String(mechanism)} ${known ? "200" : "400"}`);
      await zap.send([version, id, known ? "200" : "400", known ? "OK" : "no", "", ""]);
    }
  })().catch(() => undefined);
  return () => zap.close();
}

let sockets = 0;
export const endpoints = { tcp: () => "tcp://127.0.0.1:*", ipc: () => `ipc://${join(directory, `${++sockets}.sock`)}` };
