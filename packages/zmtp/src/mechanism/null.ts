// The NULL mechanism (RFC 23 §NULL): each side says READY with its metadata, or ERROR. It authenticates nobody.
import { type Command, encodeReady, isProblem, type Metadata, parseMetadata } from "../wire/command.ts";
import type { Problem } from "../wire/problem.ts";
import { refusedByPeer } from "./common.ts";
import type { Mechanism, Step } from "./mechanism.ts";

/** @param metadata what this side announces. */
export function nullMechanism(metadata: Metadata): Mechanism {
  return {
    name: "NULL",
    asServer: false,
    start: () => ({ send: encodeReady(metadata) }),
    receive: readyOrError,
  };
}

function readyOrError(command: Command): Step | Problem {
  if (command.name === "READY") {
    const metadata = parseMetadata(command.data);
    return isProblem(metadata) ? metadata : { ready: metadata };
  }
  if (command.name === "ERROR") return refusedByPeer(command);
  return { reason: "protocol-error", detail: "a command other than READY or ERROR in the NULL handshake" };
}
