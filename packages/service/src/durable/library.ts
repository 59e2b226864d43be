// Loads a broker's client library: an optional peer of this package, which only those install who use that broker.
import { WherryError } from "@wherry/core";

/** @throws WherryError BROKER_LIBRARY_MISSING with the command that installs it. */
export async function loadLibrary<T>(packages: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new WherryError(`the broker's client library is not installed; run: npm install ${packages}`, {
      code: "BROKER_LIBRARY_MISSING",
      cause,
    });
  }
}
