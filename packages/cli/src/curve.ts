// With which keys a command talks to an encrypted service: from its flags, the environment (both come as options), or `wherry.yaml` of
// the folder that it runs in. Keys are read here and handed on; none is ever printed.
import { existsSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { asError } from "@wherry/core";
import type { ClientCurve } from "@wherry/service";
import type { Context } from "./context.ts";
import { usageError } from "./errors.ts";
import { isRecord, readProjectFile } from "./project-file.ts";

/** The flags of every command that talks to a service, with the variables that stand for them. */
export const curveFlags = {
  serverKey: {
    flag: "--curve-server-key <key>",
    env: "WHERRY_CURVE_SERVER_KEY",
    help: "the service's public key, or a file with it: the connection is encrypted, and nobody else is talked to",
  },
  secretKeyFile: {
    flag: "--curve-secret-key-file <file>",
    env: "WHERRY_CURVE_SECRET_KEY_FILE",
    help: "a file with your own secret key, by which the service knows you (default: a new key)",
  },
} as const;

export interface CurveOptions {
  readonly curveServerKey?: string;
  readonly curveSecretKeyFile?: string;
}

/** What `wherry.yaml` says: `curve: { secretKeyFile: alice.secret, serverKeys: { shop: shop.pub } }`. Files are beside it. */
interface CurveFile {
  readonly path: string;
  readonly secretKeyFile: string | undefined;
  /** By NAME or NAME.NAMESPACE. */
  readonly serverKeys: ReadonlyMap<string, string>;
}

const keyForm = /^\S{40}$/;

/**
 * @param service whose key is looked for in `wherry.yaml`; absent: of no service that has a name.
 * @returns an option of `connect` and `probe`; none when nothing says that the service encrypts.
 * @throws CliError usage, without any key in its message
 */
export async function curveOf(
  { curveServerKey, curveSecretKeyFile }: CurveOptions,
  { cwd }: Pick<Context, "cwd">,
  service?: { readonly name: string; readonly namespace: string },
): Promise<{ readonly curve?: ClientCurve }> {
  const file = await readCurveFile(join(cwd, "wherry.yaml"));
  const listed =
    service === undefined
      ? undefined
      : (file?.serverKeys.get(`${service.name}.${service.namespace}`) ?? file?.serverKeys.get(service.name));
  const beside = (path: string): string => resolve(dirname(file?.path ?? cwd), path);
  if (curveServerKey === undefined && listed === undefined) {
    if (curveSecretKeyFile === undefined) return {};
    const expected = `${curveFlags.serverKey.flag}, ${curveFlags.serverKey.env} or curve.serverKeys in wherry.yaml`;
    throw usageError(`a secret key alone encrypts nothing: expected the service's public key too, by ${expected}`);
  }
  const serverKey =
    curveServerKey === undefined
      ? await keyIn(listed ?? "", beside(listed ?? ""))
      : await keyIn(curveServerKey, resolve(cwd, curveServerKey));
  const own = file?.secretKeyFile;
  const secretKeyFile = curveSecretKeyFile === undefined ? own && beside(own) : resolve(cwd, curveSecretKeyFile);
  if (secretKeyFile === undefined) return { curve: { serverKey } };
  return { curve: { serverKey, secretKey: await keyOfFile(secretKeyFile) } };
}

/** What to do about a connection that failed for its keys; empty for any other. @param reason what the socket said, in an error */
export function keyHint(reason: string): string {
  const { serverKey } = curveFlags;
  if (reason.includes('wants mechanism "CURVE", this side NULL'))
    return `. It encrypts: give its public key by ${serverKey.flag}, ${serverKey.env} or wherry.yaml`;
  if (reason.includes('wants mechanism "NULL", this side CURVE')) return ". It does not encrypt: leave the keys out";
  if (reason.includes("authentication failed"))
    return ". It does not know your key: whoever runs it adds your public key to what it allows";
  return "";
}

/** A key, or a file with one. */
async function keyIn(text: string, path: string): Promise<string> {
  return keyForm.test(text) && statSync(path, { throwIfNoEntry: false }) === undefined ? text : keyOfFile(path);
}

async function keyOfFile(path: string): Promise<string> {
  const { readCurveKeys } = await import("@wherry/service/curve");
  try {
    return readCurveKeys(path)[0] ?? "";
  } catch (error) {
    if (!existsSync(path))
      throw usageError(
        `expected a key (40 characters) or a file with one, and there is no file ${path}: "wherry keygen" makes keys`,
      );
    throw usageError(`${asError(error).message}. "wherry keygen" makes keys`);
  }
}

async function readCurveFile(path: string): Promise<CurveFile | undefined> {
  const section = (await readProjectFile(path))?.["curve"];
  return section === undefined ? undefined : curveSection(path, section);
}

function curveSection(path: string, section: unknown): CurveFile {
  const form = "curve: { secretKeyFile: FILE, serverKeys: { SERVICE: KEY or FILE } }";
  const refuse = (what: string): never => {
    throw usageError(`${path}: expected ${form}; ${what}`);
  };
  if (!isRecord(section)) return refuse(`curve is ${section === null ? "empty" : typeof section}`);
  const unknown = Object.keys(section).find((name) => name !== "secretKeyFile" && name !== "serverKeys");
  if (unknown !== undefined) refuse(`curve.${unknown} is nothing that it has`);
  const { secretKeyFile, serverKeys = {} } = section;
  if (secretKeyFile !== undefined && typeof secretKeyFile !== "string") return refuse("secretKeyFile is no text");
  if (!isRecord(serverKeys)) return refuse("serverKeys is no map");
  const keys = Object.entries(serverKeys).map(([name, key]): [string, string] =>
    typeof key === "string" ? [name, key] : refuse(`serverKeys.${name} is no text`),
  );
  return { path, secretKeyFile, serverKeys: new Map(keys) };
}
