// The errors a caller of this package can meet. What a *peer* does wrong is never an error here: it is a drop reason.
import { asError, WherryError } from "@wherry/core";

export function endpointInvalid(endpoint: string, why: string): WherryError {
  return new WherryError(
    `endpoint "${endpoint}": ${why}; expected tcp://127.0.0.1:5555, tcp://127.0.0.1:*, tcp://[::1]:5555, ipc:///path, ipc://@name or inproc://name`,
    { code: "ZMTP_ENDPOINT_INVALID", details: { endpoint } },
  );
}

/** The bind error that fits what the operating system said. */
export function bindError(endpoint: string, cause: unknown): WherryError {
  const error = asError(cause) as NodeJS.ErrnoException;
  if (error.code === "EADDRINUSE")
    return new WherryError(`${endpoint} is taken by another listener; choose another address, or end that process`, {
      code: "ZMTP_ADDRESS_IN_USE",
      retryable: true,
      details: { endpoint },
      cause,
    });
  return new WherryError(`cannot listen on ${endpoint}: ${error.message}`, {
    code: "ZMTP_BIND_FAILED",
    details: { endpoint, errno: error.code },
    cause,
  });
}

export function closedError(): WherryError {
  return new WherryError("the socket is closed; make a new one", { code: "ZMTP_CLOSED" });
}

export function peerGoneError(address: string): WherryError {
  return new WherryError(`the connection to ${address} is gone`, { code: "ZMTP_PEER_GONE", details: { address } });
}

/** REQ and REP used out of turn (libzmq's EFSM). */
export function stateError(what: string): WherryError {
  return new WherryError(what, { code: "ZMTP_STATE" });
}

/** A REQ's request went to a peer that left before it replied: the request may or may not have been executed. */
export function replyLostError(address: string): WherryError {
  return new WherryError(`the peer ${address} left before it replied; the request may have been executed`, {
    code: "ZMTP_REPLY_LOST",
    retryable: true,
    details: { address },
  });
}

export function messageInvalid(why: string): WherryError {
  return new WherryError(`cannot send this message: ${why}`, { code: "ZMTP_MESSAGE_INVALID" });
}

export function optionInvalid(option: string, expected: string, got: unknown): WherryError {
  return new WherryError(`option ${option}: expected ${expected}, got ${String(got)}`, {
    code: "ZMTP_OPTION_INVALID",
    details: { option },
  });
}
