// The client's side of CURVE. Loaded only by clients that encrypt.
import type { SocketOptions } from "@wherry/zmtp";
import { curveClient, curveKeyPair } from "@wherry/zmtp/curve";
import type { ClientCurve } from "./types.ts";

/** The `security` of a client's sockets. @throws WherryError ZMTP_OPTION_INVALID */
export function clientSecurity({ serverKey, secretKey }: ClientCurve): NonNullable<SocketOptions["security"]> {
  return curveClient({ serverKey, secretKey: secretKey ?? curveKeyPair().secretKey });
}
