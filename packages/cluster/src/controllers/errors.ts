// Which refusals of the API are part of the normal course of a level-triggered loop.
import { StatusError } from "@wherry/kube";

export function isReason(error: unknown, reason: string): error is StatusError {
  return error instanceof StatusError && error.reason === reason;
}

/** The namespace is on its way out: nothing can be made in it, and nothing needs to be. */
export function isNamespaceTerminating(error: unknown): boolean {
  if (!(error instanceof StatusError)) return false;
  return error.status.details?.causes?.some(({ reason }) => reason === "NamespaceTerminating") === true;
}

/** For deletions: gone is what was wanted. */
export async function unlessGone(write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (!isReason(error, "NotFound")) throw error;
  }
}
