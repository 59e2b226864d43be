// The options with their defaults filled in and judged, once, when a socket is made.
import { optionInvalid } from "../errors.ts";
import { defaults, limits } from "../limits.ts";
import type { Security } from "../mechanism/mechanism.ts";
import type { DropReason, SocketOptions } from "../types.ts";

export interface Settings {
  /** Undefined: NULL. */
  readonly security: Security | undefined;
  /** Empty: none announced. */
  readonly routingId: Buffer;
  readonly messageBytesMax: number;
  readonly messageFramesMax: number;
  readonly peerQueueMessagesMax: number;
  readonly peerQueueBytesMax: number;
  readonly receiveQueueMessagesMax: number;
  readonly receiveQueueBytesMax: number;
  readonly peerReceiveQueueMessagesMax: number;
  readonly peerReceiveQueueBytesMax: number;
  readonly receivePartialBytesMax: number;
  readonly peersMax: number;
  /** Undefined: everybody, up to `peersMax`. */
  readonly mayConnect: SocketOptions["mayConnect"];
  readonly handshakeTimeoutMs: number;
  readonly reconnectFirstMs: number;
  readonly reconnectMaxMs: number;
  readonly reconnectAttemptsMax: number;
  readonly reconnectStopOn: readonly DropReason[];
  readonly idleTimeoutMs: number;
  readonly sendQueueMessagesMax: number;
  readonly sendQueueBytesMax: number;
  readonly heartbeatMs: number;
  readonly busyPollUs: number;
}

/** @throws WherryError `ZMTP_OPTION_INVALID` */
export function settingsOf(options: SocketOptions): Settings {
  const reconnectFirstMs = atLeast(1, "reconnect.firstMs", options.reconnect?.firstMs ?? defaults.reconnectFirstMs);
  return {
    security: securityOf(options.security),
    routingId: routingIdOf(options.routingId),
    messageBytesMax: atLeast(1, "messageBytesMax", options.messageBytesMax ?? defaults.messageBytesMax),
    messageFramesMax: atLeast(1, "messageFramesMax", options.messageFramesMax ?? defaults.messageFramesMax),
    peerQueueMessagesMax: atLeast(
      1,
      "peerQueueMessagesMax",
      options.peerQueueMessagesMax ?? defaults.peerQueueMessagesMax,
    ),
    peerQueueBytesMax: atLeast(1, "peerQueueBytesMax", options.peerQueueBytesMax ?? defaults.peerQueueBytesMax),
    receiveQueueMessagesMax: atLeast(
      1,
      "receiveQueueMessagesMax",
      options.receiveQueueMessagesMax ?? defaults.receiveQueueMessagesMax,
    ),
    receiveQueueBytesMax: atLeast(
      1,
      "receiveQueueBytesMax",
      options.receiveQueueBytesMax ?? defaults.receiveQueueBytesMax,
    ),
    peerReceiveQueueMessagesMax: atLeast(
      1,
      "peerReceiveQueueMessagesMax",
      options.peerReceiveQueueMessagesMax ?? defaults.peerReceiveQueueMessagesMax,
    ),
    peerReceiveQueueBytesMax: atLeast(
      1,
      "peerReceiveQueueBytesMax",
      options.peerReceiveQueueBytesMax ?? defaults.peerReceiveQueueBytesMax,
    ),
    receivePartialBytesMax: partialBytesOf(options),
    peersMax: atLeast(1, "peersMax", options.peersMax ?? defaults.peersMax),
    mayConnect: options.mayConnect,
    handshakeTimeoutMs: atLeast(1, "handshakeTimeoutMs", options.handshakeTimeoutMs ?? defaults.handshakeTimeoutMs),
    reconnectFirstMs,
    reconnectMaxMs: atLeast(
      reconnectFirstMs,
      "reconnect.maxMs",
      options.reconnect?.maxMs ?? Math.max(reconnectFirstMs, defaults.reconnectMaxMs),
    ),
    reconnectAttemptsMax: atLeast(1, "reconnect.attemptsMax", options.reconnect?.attemptsMax ?? Infinity),
    reconnectStopOn: options.reconnect?.stopOn ?? [],
    idleTimeoutMs: atLeast(0, "idleTimeoutMs", options.idleTimeoutMs ?? 0),
    sendQueueMessagesMax: atLeast(
      1,
      "sendQueueMessagesMax",
      options.sendQueueMessagesMax ?? defaults.sendQueueMessagesMax,
    ),
    sendQueueBytesMax: atLeast(1, "sendQueueBytesMax", options.sendQueueBytesMax ?? defaults.sendQueueBytesMax),
    heartbeatMs: atLeast(0, "heartbeatMs", options.heartbeatMs ?? 0),
    busyPollUs: busyPollOf(options.busyPollUs ?? 0),
  };
}

function atLeast(least: number, name: string, value: number): number {
  if (!(value >= least)) throw optionInvalid(name, `a number of at least ${least}`, value);
  return value;
}

function busyPollOf(value: number): number {
  if (value >= 0 && value <= limits.busyPollUsMax) return value;
  throw optionInvalid("busyPollUs", `a number from 0 to ${limits.busyPollUsMax}`, value);
}

/** A single message of the largest size fits in any case, with a command in between. */
function partialBytesOf(options: SocketOptions): number {
  const { messageBytesMax = defaults.messageBytesMax, messageFramesMax = defaults.messageFramesMax } = options;
  const least = messageBytesMax + (messageFramesMax + 1) * limits.frameHeldBytes + limits.commandBytesMax;
  const usual = Math.max(4 * least, defaults.receivePartialBytesMax);
  return atLeast(least, "receivePartialBytesMax", options.receivePartialBytesMax ?? usual);
}

function securityOf(value: Security | undefined): Security | undefined {
  if (value !== undefined && typeof (value as Partial<Security>).mechanismFor !== "function")
    throw optionInvalid("security", "what plainServer, plainClient, curveServer or curveClient make", typeof value);
  return value;
}

function routingIdOf(value: string | Uint8Array | undefined): Buffer {
  const id = value === undefined ? Buffer.alloc(0) : Buffer.from(value as string);
  if (value !== undefined && (id.length === 0 || id.length > limits.routingIdBytesMax || id[0] === 0))
    throw optionInvalid("routingId", "1 to 255 bytes, the first not zero", `${id.length} bytes`);
  return id;
}
