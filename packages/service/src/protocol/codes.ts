// The numbers and names of the request protocol, version 1 (docs/reference/protocol.md). Data only.

/** First bytes of every message's first frame. 0xF5 never occurs in UTF-8, so no text message is mistaken for one. */
export const magic: readonly [number, number, number, number] = [0xf5, 0x57, 0x52, 0x59];
export const protocolVersion = 1;

/** What a message is. */
export const messageType = {
  hello: 1,
  welcome: 2,
  request: 3,
  reply: 4,
  error: 5,
  cancel: 6,
  ping: 7,
  pong: 8,
  goaway: 9,
  bye: 10,
  credit: 11,
  // Streams: messages in either direction, within what their reader granted.
  open: 12,
  item: 13,
  grant: 14,
  end: 15,
  stop: 16,
  // Events of topics.
  subscribe: 17,
  position: 18,
  unsubscribe: 19,
  event: 20,
} as const;
export type MessageType = (typeof messageType)[keyof typeof messageType];

/** The highest place that an item or event can have: after it comes 1. */
export const lastPlace = 0xffffffff;

/** What the body frame holds; with `none` there is no body frame, `coded` is by the codec that the service and its client agree on. */
export const contentType = { none: 0, json: 1, bytes: 2, coded: 3 } as const;
export type ContentType = (typeof contentType)[keyof typeof contentType];

/** What happened to a request that ends in an error: it decides who may send it again. */
export const fate = {
  /** The method answered: the error is its result. */
  answered: 0,
  /** The method was never called, and never will be for this attempt: anyone may send it elsewhere. */
  notStarted: 1,
  /** The method was called and may have had its effect. */
  maybeExecuted: 2,
} as const;
export type Fate = (typeof fate)[keyof typeof fate];

/** State of a server, as its PONG tells it. */
export const serverState = { starting: 0, ready: 1, draining: 2, overloaded: 3, stuck: 4 } as const;

/** Codes that the framework itself gives. A method's own errors use any other code of the same form. */
export const frameworkCodes = {
  INVALID: "the body is not what the method takes",
  NOT_FOUND: "the service has no such method",
  UNAUTHORIZED: "the service asks who the caller is, and the caller has not proven it",
  FORBIDDEN: "the caller may not do this",
  TOO_LARGE: "the body is larger than the limit",
  DEADLINE_EXCEEDED: "the deadline passed before an answer came",
  CANCELLED: "the caller cancelled the call",
  BUSY: "the service, or the client, has no room for another request; try again later",
  REFUSED: "the service is leaving and has not started the request",
  ABORTED: "the service ended while the request was running: it may have had its effect",
  UNAVAILABLE: "no endpoint of the service could be reached",
  CIRCUIT_OPEN: "most calls of the method failed lately, so the client did not try this one",
  VERSION: "the peer speaks another version of the protocol",
  CLOSED: "the client was closed",
  MISSED: "the subscriber was too slow for the events, and asked to be told by an error",
} as const;
export type FrameworkCode = keyof typeof frameworkCodes;

/** The form of an error code. */
export const codePattern: RegExp = /^[A-Z][A-Z0-9_]{0,63}$/;
