// The client's side of the CURVE handshake (RFC 26): HELLO, WELCOME, INITIATE with the vouch, READY. It trusts one server
// key. C and c below are the client's long-term keys, C' and c' those of this connection; S and S' the server's.
import { randomBytes } from "node:crypto";
import { type Command, encodeCommand, encodeMetadata, isProblem, parseMetadata } from "../wire/command.ts";
import type { Problem } from "../wire/problem.ts";
import { authenticationFailed, protocolError, refusedByPeer, sameRole } from "./common.ts";
import { counterBytes, CurveSeal, nonce } from "./curve-seal.ts";
import type { Mechanism, MechanismContext, Step } from "./mechanism.ts";
import { keyBytes, type KeyPair, macBytes, makeKeyPair, open, seal, sharedKey } from "./sodium.ts";

export interface CurveClientKeys extends KeyPair {
  readonly serverKey: Buffer;
}

const helloPaddingBytes = 72;
const cookieBytes = 96;
const welcomeBytes: number = 16 + macBytes + keyBytes + cookieBytes;

export class CurveClient implements Mechanism {
  readonly name = "CURVE";
  readonly asServer = false;
  readonly #context: MechanismContext;
  readonly #keys: CurveClientKeys;
  /** C' and c'. */
  readonly #transient: KeyPair = makeKeyPair();
  /** Between C' and S: HELLO and WELCOME. Undefined when the server key is of low order. */
  readonly #introductory: Buffer | undefined;
  /** Between C' and S': all the rest. */
  #session: Buffer | undefined;

  constructor(context: MechanismContext, keys: CurveClientKeys) {
    this.#context = context;
    this.#keys = keys;
    this.#introductory = sharedKey(keys.serverKey, this.#transient.secretKey);
  }

  get hint(): string {
    return this.#session === undefined
      ? "in answer to HELLO: is serverKey the public key of this server?"
      : "in answer to INITIATE: it may not admit this client's key";
  }

  start(): Step {
    if (this.#introductory === undefined) return { refuse: authenticationFailed("serverKey is no usable key") };
    const counter = counterBytes(1);
    const signature = seal(this.#introductory, nonce("CurveZMQHELLO---", counter), Buffer.alloc(64));
    const version = Buffer.of(1, 0);
    const padding = Buffer.alloc(helloPaddingBytes);
    return {
      send: encodeCommand("HELLO", Buffer.concat([version, padding, this.#transient.publicKey, counter, signature])),
    };
  }

  receive(command: Command): Step | Problem {
    if (command.name === "ERROR") return refusedByPeer(command);
    if (command.name === "HELLO") return sameRole("CURVE", "client");
    const expected = this.#session === undefined ? "WELCOME" : "READY";
    if (command.name !== expected) return protocolError(`a command other than ${expected} in the CURVE handshake`);
    return this.#session === undefined ? this.#onWelcome(command.data) : this.#onReady(command.data, this.#session);
  }

  #onWelcome(data: Buffer): Step | Problem {
    if (data.length !== welcomeBytes) return protocolError("WELCOME of the wrong length");
    const key = this.#introductory;
    const plain = key && open(key, nonce("WELCOME-", data.subarray(0, 16)), data.subarray(16));
    if (plain === undefined) return authenticationFailed("WELCOME is not from the owner of serverKey");
    const serverTransient = plain.subarray(0, keyBytes);
    const cookie = plain.subarray(keyBytes);
    const vouchKey = sharedKey(serverTransient, this.#keys.secretKey);
    this.#session = sharedKey(serverTransient, this.#transient.secretKey);
    this.#transient.secretKey.fill(0);
    if (vouchKey === undefined || this.#session === undefined)
      return authenticationFailed("the server's transient key is no usable key");

    const vouchNonce = randomBytes(16);
    const vouched = Buffer.concat([this.#transient.publicKey, this.#keys.serverKey]);
    const vouch = seal(vouchKey, nonce("VOUCH---", vouchNonce), vouched);
    const metadata = encodeMetadata(this.#context.metadata);
    const initiate = Buffer.concat([this.#keys.publicKey, vouchNonce, vouch, metadata]);
    const counter = counterBytes(2);
    const box = seal(this.#session, nonce("CurveZMQINITIATE", counter), initiate);
    return { send: encodeCommand("INITIATE", Buffer.concat([cookie, counter, box])) };
  }

  #onReady(data: Buffer, session: Buffer): Step | Problem {
    const counter = data.subarray(0, 8);
    const plain =
      counter.length === 8 ? open(session, nonce("CurveZMQREADY---", counter), data.subarray(8)) : undefined;
    if (plain === undefined) return authenticationFailed("READY is not from the server that sent WELCOME");
    const metadata = parseMetadata(plain);
    if (isProblem(metadata)) return metadata;
    return { ready: metadata, seal: new CurveSeal(session, "client", 2, counter) };
  }
}
