// The service's side of CURVE: its keys and whom it admits, as its files say at each handshake. Loaded only by services that encrypt.
import type { Logger } from "@wherry/core";
import type { SocketOptions } from "@wherry/zmtp";
import { allowKeys, curveServer } from "@wherry/zmtp/curve";
import { curveInvalid, KeyFile } from "./key-file.ts";
import { keyPattern, type ServiceCurve } from "./types.ts";

type Security = NonNullable<SocketOptions["security"]>;

/** @throws WherryError SERVICE_CURVE_INVALID */
export function serviceSecurity({ secretKeyFile, allow }: ServiceCurve, log: Logger): Security {
  if (allow.length === 0)
    throw curveInvalid("allow: expected the keys that may connect, got none: nobody could come in");
  const own = new KeyFile(secretKeyFile, log);
  const fixed = allow.filter((entry) => keyPattern.test(entry));
  const files = allow.filter((entry) => !keyPattern.test(entry)).map((path) => new KeyFile(path, log));
  let [keys] = [own.keys];
  const security = curveServer({
    secretKey: keys[0] ?? "",
    authenticate: (client) => allowKeys([...fixed, ...files.flatMap((file) => file.keys)])(client),
  });
  const rotate = (): void => {
    try {
      security.rotate(keys);
    } catch (cause) {
      throw curveInvalid(`${secretKeyFile}: the secret keys cannot be used`, cause);
    }
  };
  rotate();
  return {
    ...security,
    mechanismFor: (context) => {
      const now = own.keys;
      if (now !== keys) {
        keys = now;
        rotate();
      }
      return security.mechanismFor(context);
    },
  };
}
