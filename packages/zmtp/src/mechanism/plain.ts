// The PLAIN mechanism (RFC 24): the client names a user and a password in clear text. It proves nothing to the client and
// hides nothing from the network: for loopback and networks that are trusted. Passwords are in no detail, error or event.
import { optionInvalid } from "../errors.ts";
import {
  type Command,
  encodeCommand,
  encodeError,
  encodeMetadata,
  encodeReady,
  isProblem,
  parseMetadata,
} from "../wire/command.ts";
import type { Problem } from "../wire/problem.ts";
import {
  type Answer,
  type AuthenticateOptions,
  Inquiry,
  type PlainCredentials,
  requireAuthenticate,
} from "./authenticate.ts";
import { authenticationFailed, protocolError, refusedByPeer, sameRole } from "./common.ts";
import type { Mechanism, MechanismContext, Security, Step } from "./mechanism.ts";

/** RFC 24: each has a one-byte length. */
const credentialBytesMax = 255;

/** Who a PLAIN client says that it is (RFC 24). */
export interface PlainClientOptions {
  /** At most 255 bytes of UTF-8, as the password. */
  readonly username: string;
  readonly password: string;
}

/**
 * The `security` option of a socket that proves itself by user name and password, both sent in clear.
 * @throws WherryError `ZMTP_OPTION_INVALID`
 * @example dealer({ security: plainClient({ username: "admin", password }) })
 */
export function plainClient(options: PlainClientOptions): Security {
  const hello = Buffer.concat([lengthAnd("username", options.username), lengthAnd("password", options.password)]);
  return {
    mechanism: "PLAIN",
    role: "client",
    mechanismFor: (context) => new PlainClient(context, hello),
  };
}

/**
 * The `security` option of a socket that asks each peer for user name and password.
 * @throws WherryError `ZMTP_OPTION_INVALID` without `authenticate`: nobody could come in.
 * @example router({ security: plainServer({ authenticate: allowUsers({ admin: password }) }) })
 */
export function plainServer(options: AuthenticateOptions<PlainCredentials>): Security {
  requireAuthenticate(options, "a PLAIN server");
  return {
    mechanism: "PLAIN",
    role: "server",
    mechanismFor: (context) => new PlainServer(context, options),
  };
}

function lengthAnd(option: string, text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length > credentialBytesMax)
    throw optionInvalid(option, `at most ${credentialBytesMax} bytes`, `${bytes.length} bytes`);
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

class PlainClient implements Mechanism {
  readonly name = "PLAIN";
  readonly asServer = false;
  readonly #context: MechanismContext;
  readonly #hello: Buffer;
  #expects: "WELCOME" | "READY" = "WELCOME";

  constructor(context: MechanismContext, hello: Buffer) {
    this.#context = context;
    this.#hello = hello;
  }

  get hint(): string | undefined {
    return this.#expects === "WELCOME" ? "in answer to the user name and password" : undefined;
  }

  start(): Step {
    return { send: encodeCommand("HELLO", this.#hello) };
  }

  receive(command: Command): Step | Problem {
    if (command.name === "ERROR") return refusedByPeer(command);
    if (command.name === "HELLO") return sameRole("PLAIN", "client");
    if (command.name !== this.#expects)
      return protocolError(`a command other than ${this.#expects} in the PLAIN handshake`);
    if (command.name === "WELCOME") {
      if (command.data.length > 0) return protocolError("WELCOME with data");
      this.#expects = "READY";
      return { send: encodeCommand("INITIATE", encodeMetadata(this.#context.metadata)) };
    }
    const metadata = parseMetadata(command.data);
    return isProblem(metadata) ? metadata : { ready: metadata };
  }
}

class PlainServer implements Mechanism {
  readonly name = "PLAIN";
  readonly asServer = true;
  readonly #context: MechanismContext;
  readonly #inquiry: Inquiry<PlainCredentials>;
  #expects: "HELLO" | "INITIATE" | "nothing" = "HELLO";
  #userId = "";

  constructor(context: MechanismContext, options: AuthenticateOptions<PlainCredentials>) {
    this.#context = context;
    this.#inquiry = new Inquiry(options, context.clock);
  }

  start(): Step {
    return {};
  }

  receive(command: Command): Step | Problem {
    if (command.name === "ERROR") return refusedByPeer(command);
    if (command.name !== this.#expects)
      return protocolError(`a command in the PLAIN handshake where ${this.#expects} was expected`);
    if (command.name === "HELLO") return this.#onHello(command.data);
    const metadata = parseMetadata(command.data);
    if (isProblem(metadata)) return metadata;
    return { send: encodeReady(this.#context.metadata), ready: metadata, userId: this.#userId };
  }

  stop(): void {
    this.#inquiry.stop();
  }

  #onHello(data: Buffer): Step | Problem {
    const passwordAt = 1 + (data[0] ?? 0);
    const end = passwordAt + 1 + (data[passwordAt] ?? 0);
    if (data.length === 0 || passwordAt >= data.length || end !== data.length) return protocolError("malformed HELLO");
    const username = data.toString("utf8", 1, passwordAt);
    const password = data.toString("utf8", passwordAt + 1, end);
    this.#expects = "nothing";
    const { address } = this.#context;
    const credentials = { mechanism: "PLAIN", address, username, password, metadata: new Map() } as const;
    const answer = this.#inquiry.ask(credentials, username, (late) => this.#context.later(this.#judged(late)));
    return answer === undefined ? {} : this.#judged(answer);
  }

  #judged(answer: Answer): Step {
    if (answer.refused !== undefined) return refusal(answer.refused);
    this.#userId = answer.userId;
    this.#expects = "INITIATE";
    return { send: encodeCommand("WELCOME") };
  }
}

/** What the peer is told is RFC 27's status code, as libzmq does; the reason is for this side alone. */
export function refusal(detail: string): Step {
  return { send: encodeError("400"), refuse: authenticationFailed(detail) };
}
