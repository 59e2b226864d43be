// The handshake of Fluentd's forward protocol, by which both sides prove that they have the shared key, and the client, where it is asked,
// a password: HELO, PING, PONG (https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1#handshake-messages).
import { createHash, timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";
import { hostname } from "node:os";
import type { Random } from "@wherry/core";
import { sinkHandshakeBytesMax } from "../limits.ts";
import { packed } from "./msgpack.ts";
import { unpack } from "./unpack.ts";

export interface FluentAuth {
  readonly sharedKey: string;
  readonly username: string;
  readonly password: string;
}

const digest = (...parts: readonly (string | Uint8Array)[]): string => {
  const hash = createHash("sha512");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};

/** @throws Error that says who refused whom; neither key nor password is in it. */
export async function shakeHands(
  socket: Socket,
  { sharedKey, username, password }: FluentAuth,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  const { nonce, auth } = heloOf(await nextValue(socket, signal));
  const salt = Buffer.from(random.bytes(16)).toString("hex");
  const self = hostname();
  const user = auth.length === 0 ? ["", ""] : [username, digest(auth, username, password)];
  socket.write(packed(["PING", self, salt, digest(salt, self, nonce, sharedKey), ...user]));
  const [kind, accepted, reason, server, proof] = asList(await nextValue(socket, signal));
  if (kind !== "PONG") throw new Error("expected PONG in the handshake, got something else");
  if (accepted !== true) throw new Error(`refused the handshake: ${String(reason).slice(0, 200)}`);
  const expected = Buffer.from(digest(salt, String(server), nonce, sharedKey));
  const got = Buffer.from(String(proof));
  if (got.length !== expected.length || !timingSafeEqual(got, expected))
    throw new Error("could not prove that it has the shared key: it is another server than expected");
}

function heloOf(value: unknown): { readonly nonce: Uint8Array; readonly auth: Uint8Array } {
  const [kind, options] = asList(value);
  if (kind !== "HELO" || typeof options !== "object" || options === null)
    throw new Error("expected HELO at first, as servers with a shared key send it, got something else");
  const { nonce, auth } = options as { readonly nonce?: unknown; readonly auth?: unknown };
  return { nonce: bytesOf(nonce), auth: bytesOf(auth) };
}

const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
/** Some servers write their bytes as text. */
const bytesOf = (value: unknown): Uint8Array =>
  value instanceof Uint8Array ? value : Buffer.from(typeof value === "string" ? value : "", "latin1");

/** The next value that the server sends, and nothing beside it. */
function nextValue(socket: Socket, signal: AbortSignal): Promise<unknown> {
  let received = Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void): void => {
      socket.off("data", take).off("close", gone).off("error", failed);
      signal.removeEventListener("abort", abort);
      finish();
    };
    const failed = (error: Error): void => settle(() => reject(error));
    const gone = (): void => failed(new Error("the connection closed in the handshake"));
    const abort = (): void => failed(signal.reason as Error);
    const take = (bytes: Buffer): void => {
      received = Buffer.concat([received, bytes]);
      try {
        const value = unpack(received);
        settle(() => resolve(value));
      } catch (error) {
        const partial = error instanceof RangeError && received.length <= sinkHandshakeBytesMax;
        if (!partial) failed(new Error("sent what is no message of the handshake", { cause: error }));
      }
    };
    socket.on("data", take).on("close", gone).on("error", failed);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    else if (socket.destroyed) gone();
  });
}
