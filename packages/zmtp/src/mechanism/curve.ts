// CURVE (RFC 25 and 26) as `@wherry/zmtp/curve`: encryption and authentication by keys. An entry point of its own, because
// it loads libsodium, for which those who do without CURVE need not wait.
import { timingSafeEqual } from "node:crypto";
import { optionInvalid } from "../errors.ts";
import { limits } from "../limits.ts";
import {
  type Authenticate,
  type AuthenticateOptions,
  type CurveCredentials,
  isAmong,
  requireAuthenticate,
} from "./authenticate.ts";
import { CurveClient } from "./curve-client.ts";
import { CurveServer } from "./curve-server.ts";
import type { Security } from "./mechanism.ts";
import { keyBytes, type KeyPair, makeKeyPair, publicKeyOf } from "./sodium.ts";
import { z85Decode, z85Encode } from "./z85.ts";

/** A key: 40 characters of Z85 (RFC 32), or 32 bytes. */
export type CurveKey = string | Uint8Array;

/** A long-term key pair (RFC 26). */
export interface CurveKeyPair {
  /** Z85, 40 characters. */
  readonly publicKey: string;
  /** Z85, 40 characters. Whoever has it can take this identity. */
  readonly secretKey: string;
}

/** Whom a CURVE client talks to, and by which key it is known. */
export interface CurveClientOptions {
  /** The public key of the server: the only one that is talked to. */
  readonly serverKey: CurveKey;
  readonly secretKey: CurveKey;
  /** Follows from the secret key; if given, it is checked. */
  readonly publicKey?: CurveKey;
}

/** A CURVE server's key, and whom it admits. */
export interface CurveServerOptions extends AuthenticateOptions<CurveCredentials> {
  readonly secretKey: CurveKey;
  /** Follows from the secret key; if given, it is checked. */
  readonly publicKey?: CurveKey;
}

/** What `curveServer` makes: the server's own keys can be changed while it serves. */
export interface CurveServerSecurity extends Security {
  readonly mechanism: "CURVE";
  readonly role: "server";
  /**
   * Handshakes from now on are done with these keys in place of the former; a client is served if it knows the public key of any. Connections that
   * stand are not touched: their own keys are of the session. To change a key without an outage: `rotate([next, old])`, give the
   * clients the next public key, and when all have it, `rotate([next])`.
   * @param secretKeys 1 to 4; each client's handshake is tried with one after the other.
   * @throws WherryError `ZMTP_OPTION_INVALID`, and nothing has changed
   */
  rotate(secretKeys: readonly CurveKey[]): void;
}

/** A new long-term key pair. */
export function curveKeyPair(): CurveKeyPair {
  const { publicKey, secretKey } = makeKeyPair();
  return { publicKey: z85Encode(publicKey), secretKey: z85Encode(secretKey) };
}

/**
 * The public key that belongs to a secret one.
 * @throws WherryError `ZMTP_OPTION_INVALID`
 */
export function curvePublicKey(secretKey: CurveKey): string {
  return z85Encode(publicKeyOf(keyOf("secretKey", secretKey)));
}

/**
 * The `security` option of a socket that talks to the owner of `serverKey` only, encrypted, and proves its own key.
 * @throws WherryError `ZMTP_OPTION_INVALID`; no key is ever in its message.
 * @example dealer({ security: curveClient({ serverKey, ...curveKeyPair() }) })
 */
export function curveClient(options: CurveClientOptions): Security {
  const keys = { ...pairOf(options), serverKey: keyOf("serverKey", options.serverKey) };
  return {
    mechanism: "CURVE",
    role: "client",
    mechanismFor: (context) => new CurveClient(context, keys),
  };
}

/**
 * The `security` option of a socket that talks encrypted, to clients whose keys `authenticate` admits.
 * @throws WherryError `ZMTP_OPTION_INVALID`, also without `authenticate`: nobody could come in.
 * @example router({ security: curveServer({ secretKey, authenticate: allowKeys([alice, bob]) }) })
 */
export function curveServer(options: CurveServerOptions): CurveServerSecurity {
  requireAuthenticate(options, "a CURVE server");
  let keys: readonly KeyPair[] = [pairOf(options)];
  return {
    mechanism: "CURVE",
    role: "server",
    mechanismFor: (context) => new CurveServer(context, keys, options),
    rotate: (secretKeys) => {
      const most = limits.curveServerKeysMax;
      if (secretKeys.length === 0 || secretKeys.length > most)
        throw optionInvalid("rotate", `1 to ${most} secret keys`, `${secretKeys.length} of them`);
      keys = secretKeys.map((secretKey) => pairOf({ secretKey }));
    },
  };
}

/**
 * An `authenticate` that admits the clients with these public keys.
 * @throws WherryError `ZMTP_OPTION_INVALID`
 */
export function allowKeys(keys: Iterable<CurveKey>): Authenticate<CurveCredentials> {
  const known = [...keys].map((key) => keyOf("allowKeys", key));
  return ({ publicKey }) => isAmong(publicKey, known);
}

function pairOf(options: { readonly secretKey: CurveKey; readonly publicKey?: CurveKey }): KeyPair {
  const secretKey = keyOf("secretKey", options.secretKey);
  const publicKey = publicKeyOf(secretKey);
  if (options.publicKey !== undefined && !timingSafeEqual(keyOf("publicKey", options.publicKey), publicKey))
    throw optionInvalid("publicKey", "the key that belongs to secretKey", "another one");
  return { publicKey, secretKey };
}

/** A copy of the key's bytes. Neither the key nor a part of it gets into an error. */
function keyOf(option: string, key: CurveKey): Buffer {
  const expected = "a key: 40 characters of Z85, or 32 bytes";
  if (typeof key !== "string" && !(key instanceof Uint8Array)) throw optionInvalid(option, expected, typeof key);
  let bytes: Buffer;
  try {
    bytes = typeof key === "string" ? z85Decode(key) : Buffer.from(key);
  } catch {
    throw optionInvalid(option, expected, "text that is not Z85");
  }
  if (bytes.length !== keyBytes) throw optionInvalid(option, expected, `${bytes.length} bytes`);
  return bytes;
}
