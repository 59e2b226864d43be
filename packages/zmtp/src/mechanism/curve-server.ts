// The server's side of the CURVE handshake (RFC 26). Until the client has proven its long-term key by the vouch, and the
// application has admitted that key, it learns nothing but this connection's transient key. Names of keys as in `curve-client.ts`.
import { randomBytes, timingSafeEqual } from "node:crypto";
import {
  type Command,
  encodeCommand,
  encodeMetadata,
  isProblem,
  type Metadata,
  parseMetadata,
} from "../wire/command.ts";
import type { Problem } from "../wire/problem.ts";
import { type Answer, type AuthenticateOptions, type CurveCredentials, Inquiry } from "./authenticate.ts";
import { authenticationFailed, protocolError, refusedByPeer } from "./common.ts";
import { counterBytes, CurveSeal, nonce } from "./curve-seal.ts";
import type { Mechanism, MechanismContext, Step } from "./mechanism.ts";
import { refusal } from "./plain.ts";
import { keyBytes, type KeyPair, macBytes, makeKeyPair, open, seal, sharedKey } from "./sodium.ts";
import { z85Encode } from "./z85.ts";

/** Offsets in HELLO's data. */
const hello = { clientKeyAt: 74, nonceAt: 106, boxAt: 114, bytes: 194 } as const;
/** Offsets in INITIATE's data, and in its box. */
const initiate = { boxedCookieAt: 16, nonceAt: 96, boxAt: 104 } as const;
const boxed = { vouchNonceAt: keyBytes, vouchAt: keyBytes + 16, metadataAt: 128 } as const;

/** What is known between WELCOME and INITIATE. Its cookie key serves this one handshake: nothing is left to rotate. */
interface Welcomed {
  /** The long-term public key by which the client knows this server. */
  readonly serverKey: Buffer;
  readonly clientTransient: Buffer;
  readonly transient: KeyPair;
  readonly cookieKey: Buffer;
  readonly helloNonce: Buffer;
}

export class CurveServer implements Mechanism {
  readonly name = "CURVE";
  readonly asServer = true;
  readonly #context: MechanismContext;
  /** Long-term pairs; the client has chosen one by whom it said HELLO to. */
  readonly #keys: readonly KeyPair[];
  readonly #inquiry: Inquiry<CurveCredentials>;
  #welcomed: Welcomed | undefined;
  #expects: "HELLO" | "INITIATE" | "nothing" = "HELLO";

  constructor(context: MechanismContext, keys: readonly KeyPair[], options: AuthenticateOptions<CurveCredentials>) {
    this.#context = context;
    this.#keys = keys;
    this.#inquiry = new Inquiry(options, context.clock);
  }

  start(): Step {
    return {};
  }

  receive(command: Command): Step | Problem {
    if (command.name === "ERROR") return refusedByPeer(command);
    if (command.name !== this.#expects)
      return protocolError(`a command in the CURVE handshake where ${this.#expects} was expected`);
    if (command.name === "HELLO") return this.#onHello(command.data);
    const welcomed = this.#welcomed;
    this.#expects = "nothing";
    this.#welcomed = undefined;
    const step =
      welcomed === undefined ? protocolError("INITIATE before HELLO") : this.#onInitiate(command.data, welcomed);
    welcomed?.cookieKey.fill(0);
    welcomed?.transient.secretKey.fill(0);
    return step;
  }

  stop(): void {
    this.#inquiry.stop();
  }

  #onHello(data: Buffer): Step | Problem {
    if (data.length !== hello.bytes) return protocolError("HELLO of the wrong length");
    if (data[0] !== 1 || data[1] !== 0) return protocolError("HELLO of another version than CurveZMQ 1.0");
    // Copied: it outlives the chunk.
    const clientTransient = Buffer.from(data.subarray(hello.clientKeyAt, hello.nonceAt));
    const helloNonce = Buffer.from(data.subarray(hello.nonceAt, hello.boxAt));
    const greeted = this.#greeted(clientTransient, nonce("CurveZMQHELLO---", helloNonce), data.subarray(hello.boxAt));
    if (greeted === undefined)
      return authenticationFailed("HELLO cannot be opened: the client has another server's key");
    const { serverKey, introductory, signature } = greeted;
    if (signature.some((byte) => byte !== 0)) return authenticationFailed("HELLO with a wrong signature");

    const transient = makeKeyPair();
    const welcomed = { serverKey, clientTransient, transient, cookieKey: randomBytes(keyBytes), helloNonce };
    this.#welcomed = welcomed;
    this.#expects = "INITIATE";
    const { publicKey, secretKey } = welcomed.transient;
    const cookieNonce = randomBytes(16);
    const cookie = seal(
      welcomed.cookieKey,
      nonce("COOKIE--", cookieNonce),
      Buffer.concat([clientTransient, secretKey]),
    );
    const welcomeNonce = randomBytes(16);
    const box = seal(introductory, nonce("WELCOME-", welcomeNonce), Buffer.concat([publicKey, cookieNonce, cookie]));
    return { send: encodeCommand("WELCOME", Buffer.concat([welcomeNonce, box])) };
  }

  /** Which of the long-term keys HELLO was sealed for. */
  #greeted(
    clientTransient: Buffer,
    helloNonce: Buffer,
    box: Buffer,
  ): { readonly serverKey: Buffer; readonly introductory: Buffer; readonly signature: Buffer } | undefined {
    for (const { publicKey, secretKey } of this.#keys) {
      const introductory = sharedKey(clientTransient, secretKey);
      const signature = introductory && open(introductory, helloNonce, box);
      if (introductory !== undefined && signature !== undefined)
        return { serverKey: publicKey, introductory, signature };
    }
    return undefined;
  }

  #onInitiate(data: Buffer, welcomed: Welcomed): Step | Problem {
    const { serverKey, clientTransient, transient, cookieKey, helloNonce } = welcomed;
    if (data.length < initiate.boxAt + macBytes + boxed.metadataAt) return protocolError("INITIATE is too short");
    const cookieNonce = data.subarray(0, initiate.boxedCookieAt);
    const cookie = open(
      cookieKey,
      nonce("COOKIE--", cookieNonce),
      data.subarray(initiate.boxedCookieAt, initiate.nonceAt),
    );
    if (cookie === undefined || !timingSafeEqual(cookie, Buffer.concat([clientTransient, transient.secretKey])))
      return authenticationFailed("INITIATE without the cookie of this connection's WELCOME");

    const counter = Buffer.from(data.subarray(initiate.nonceAt, initiate.boxAt));
    if (Buffer.compare(counter, helloNonce) <= 0) return protocolError("INITIATE with a nonce that did not grow");
    const session = sharedKey(clientTransient, transient.secretKey);
    const plain = session && open(session, nonce("CurveZMQINITIATE", counter), data.subarray(initiate.boxAt));
    if (session === undefined || plain === undefined)
      return authenticationFailed("INITIATE cannot be opened: it is not from the client that sent HELLO");

    const clientKey = plain.subarray(0, keyBytes);
    const vouchKey = sharedKey(clientKey, transient.secretKey);
    const vouchNonce = nonce("VOUCH---", plain.subarray(boxed.vouchNonceAt, boxed.vouchAt));
    const vouch = vouchKey && open(vouchKey, vouchNonce, plain.subarray(boxed.vouchAt, boxed.metadataAt));
    if (vouch === undefined || !timingSafeEqual(vouch, Buffer.concat([clientTransient, serverKey])))
      return authenticationFailed("the vouch does not prove the client's long-term key");

    const metadata = parseMetadata(plain.subarray(boxed.metadataAt));
    if (isProblem(metadata)) return metadata;
    return this.#ask(clientKey, metadata, session, counter);
  }

  #ask(clientKey: Buffer, metadata: Metadata, session: Buffer, counter: Buffer): Step {
    const judged = (answer: Answer): Step =>
      answer.refused === undefined ? this.#admit(metadata, answer.userId, session, counter) : refusal(answer.refused);
    const credentials = {
      mechanism: "CURVE",
      address: this.#context.address,
      publicKey: Uint8Array.from(clientKey),
      publicKeyText: z85Encode(clientKey),
      metadata: new Map([...metadata].map(([name, value]) => [name, value.toString()])),
    } as const;
    const answer = this.#inquiry.ask(credentials, credentials.publicKeyText, (late) =>
      this.#context.later(judged(late)),
    );
    return answer === undefined ? {} : judged(answer);
  }

  #admit(metadata: Metadata, userId: string, session: Buffer, received: Buffer): Step {
    const counter = counterBytes(1);
    const box = seal(session, nonce("CurveZMQREADY---", counter), encodeMetadata(this.#context.metadata));
    return {
      send: encodeCommand("READY", Buffer.concat([counter, box])),
      ready: metadata,
      userId,
      seal: new CurveSeal(session, "server", 1, received),
    };
  }
}
