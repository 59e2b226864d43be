// What goes wrong with a broker, as errors with a code; each says whether the message may have been stored.
import { asError, WherryError } from "@wherry/core";

type BrokerErrorCode =
  /** Not stored: there was no connection, or the broker had no room now. */
  | "BROKER_UNAVAILABLE"
  /** Stored or not: the confirmation did not come. */
  | "BROKER_UNCONFIRMED"
  /** Not stored, and the same again will not be either. */
  | "BROKER_REFUSED";

export function brokerError(code: BrokerErrorCode, message: string, cause?: unknown): WherryError {
  return new WherryError(message, {
    code,
    retryable: code !== "BROKER_REFUSED",
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The first try of a server failed. @param refused it was there, and did not take who we are. */
export function unreachable(server: string, error: unknown, refused: boolean): WherryError {
  const reason = reasonOf(error);
  return brokerError(
    "BROKER_UNAVAILABLE",
    refused
      ? `${server} refused the URL's user, or its rights: ${reason}; check user and password of --broker or BROKER_URL, and what that user may do there`
      : `${server} cannot be reached: ${reason}; is it running, and its URL (--broker or BROKER_URL) right?`,
    error,
  );
}

/** The first line of what was thrown: what a broker's library says, without its stack. */
export function reasonOf(thrown: unknown): string {
  const { message, name } = asError(thrown);
  const [first = ""] = message.split("\n", 1);
  return first === "" ? name : first;
}
