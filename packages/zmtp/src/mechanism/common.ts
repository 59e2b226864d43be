// What the mechanisms share: the problems that they tell of.
import { type Command, parseError } from "../wire/command.ts";
import type { Problem } from "../wire/problem.ts";

/** RFC 27's status codes, with which libzmq refuses. */
const meanings: Readonly<Record<string, string>> = {
  '"300"': " (its authentication fails for the moment)",
  '"400"': " (authentication failed)",
  '"500"': " (its authentication has an internal error)",
};

/** The peer sent ERROR in the handshake. */
export function refusedByPeer(command: Command): Problem {
  const said = parseError(command.data);
  return { reason: "refused-by-peer", detail: `the peer said ERROR: ${said}${meanings[said] ?? ""}` };
}

export function protocolError(detail: string): Problem {
  return { reason: "protocol-error", detail };
}

export function authenticationFailed(detail: string): Problem {
  return { reason: "authentication-failed", detail };
}

/** Both ends have the same role: told apart by the first command, since libzmq does not set the greeting's as-server bit. */
export function sameRole(mechanism: string, role: string): Problem {
  return {
    reason: "mechanism-mismatch",
    detail: `the peer is a ${mechanism} ${role} too; one side must be the client and the other the server`,
  };
}
