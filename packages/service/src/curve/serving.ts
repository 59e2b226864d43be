// The service's side of CURVE: its keys and whom it admits, as its files say at each handshake. Loaded only by services that encrypt.
import { asError, type Logger } from "@wherry/core";
import type { SocketOptions } from "@wherry/zmtp";
import { curveServer } from "@wherry/zmtp/curve";
import { curveInvalid, KeyFile } from "./key-file.ts";
import { keyPattern, type ServiceCurve } from "./types.ts";

type Security = NonNullable<SocketOptions["security"]>;
type Allow = (publicKey: string) => boolean | Promise<boolean>;

export interface ServiceSecurity {
  readonly security: Security;
  /** May the owner of this key be here, as things are now? Throws, or rejects with, what the service's own callback does. */
  readonly allows: Allow;
}

/** @throws WherryError SERVICE_CURVE_INVALID */
export function serviceSecurity({ secretKeyFile, allow }: ServiceCurve, log: Logger): ServiceSecurity {
  const allows = typeof allow === "function" ? allow : listed(allow, log);
  const own = new KeyFile(secretKeyFile, log);
  let [keys] = [own.keys];
  const security = curveServer({
    secretKey: keys[0] ?? "",
    authenticate:
      typeof allow === "function"
        ? ({ publicKeyText }) => decided(allow, publicKeyText, log)
        : ({ publicKeyText }) => allows(publicKeyText),
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
    allows,
    security: {
      ...security,
      mechanismFor: (context) => {
        const now = own.keys;
        if (now !== keys) {
          keys = now;
          rotate();
        }
        return security.mechanismFor(context);
      },
    },
  };
}

/** What the callback throws is a no to the client, as any other; but somebody must know that it was none. */
async function decided(allow: Allow, publicKey: string, log: Logger): Promise<boolean> {
  try {
    return await allow(publicKey);
  } catch (error) {
    log.error({ err: asError(error) }, "whether a client may connect could not be decided: it may not");
    return false;
  }
}

/** Keys, and files of keys, which are looked at each time; what they say is taken apart only when it has changed. */
function listed(allow: readonly string[], log: Logger): Allow {
  if (allow.length === 0)
    throw curveInvalid("allow: expected the keys that may connect, got none: nobody could come in");
  const fixed = allow.filter((entry) => keyPattern.test(entry));
  const files = allow.filter((entry) => !keyPattern.test(entry)).map((path) => new KeyFile(path, log));
  let seen: (readonly string[])[] = [];
  let known: ReadonlySet<string> = new Set(fixed);
  return (publicKey) => {
    const now = files.map(({ keys }) => keys);
    if (now.some((keys, index) => keys !== seen[index])) {
      seen = now;
      known = new Set([...fixed, ...now.flat()]);
    }
    return known.has(publicKey);
  };
}
