// For the tests of PLAIN and CURVE on sockets: servers and clients with a record of their drops.
import { afterEach, expect } from "vitest";
import { echo, text } from "../harness.suite.ts";
import {
  type Authenticate,
  dealer,
  type PlainCredentials,
  plainClient,
  plainServer,
  router,
  type Security,
  type Socket,
  type SocketOptions,
} from "../index.ts";
import { curveClient, curveKeyPair } from "./curve.ts";

const open: (() => unknown)[] = [];
/** Closed after the test. */
export const keep = <T extends { close: () => unknown }>(socket: T): T => {
  open.push(() => socket.close());
  return socket;
};
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

export const serverKeys = curveKeyPair();
export const clientKeys = curveKeyPair();
export const password = "correct horse";
const user = { username: "admin", password };
export const plain = plainClient(user);
export const curve = curveClient({ serverKey: serverKeys.publicKey, ...clientKeys });

export interface Told {
  readonly socket: Socket;
  /** `reason: detail` of each drop. */
  readonly drops: string[];
}

export function told<T extends Socket>(socket: T): { socket: T; drops: string[] } {
  const drops: string[] = [];
  socket.on("drop", (_address, reason, detail) => drops.push(`${reason}: ${detail}`));
  return { socket: keep(socket), drops };
}

export async function serve(
  security: Security | undefined,
  more: SocketOptions = {},
): Promise<Told & { endpoint: string }> {
  const { socket, drops } = told(router(security === undefined ? more : { ...more, security }));
  echo(socket);
  return { socket, drops, endpoint: await socket.bind("tcp://127.0.0.1:*") };
}

export function join(endpoint: string, security: Security | undefined): Told {
  // Comes back so late that a test sees one try.
  const reconnect = { firstMs: 60_000, maxMs: 60_000 };
  const { socket, drops } = told(dealer(security === undefined ? { reconnect } : { reconnect, security }));
  socket.connect(endpoint);
  return { socket, drops };
}

export async function expectEcho(client: Socket): Promise<void> {
  await client.writable(AbortSignal.timeout(60_000));
  expect(client.send("hello")).toBe("sent");
  expect(text(await client.receive(AbortSignal.timeout(60_000)))).toEqual(["hello"]);
}

export const plainServing = (authenticate: Authenticate<PlainCredentials>, authenticateTimeoutMs = 5_000): Security =>
  plainServer({ authenticate, authenticateTimeoutMs });
