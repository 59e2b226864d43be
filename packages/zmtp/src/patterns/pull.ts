// PULL (RFC 30): receives from its peers in fair order, and sends nothing.
import type { PullSocket, SendResult, SocketOptions } from "../types.ts";
import { BaseSocket } from "./base.ts";

export class Pull extends BaseSocket<"PULL"> implements PullSocket {
  constructor(options: SocketOptions) {
    super(
      "PULL",
      {
        type: "PULL",
        prefixesMessages: false,
        added: () => undefined,
        removed: () => undefined,
        hasRoom: () => false,
      },
      options,
    );
  }

  /** Not in the type: a PULL has nobody to send to. */
  send(): SendResult {
    return "state";
  }
}
