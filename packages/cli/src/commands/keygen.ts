// `wherry keygen`: a pair of keys for encrypted services. The secret one is for its owner's eyes: a file that nobody else may read, and
// that is never written over.
import { closeSync, existsSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { asError } from "@wherry/core";
import { curveKeyPair, curvePublicKey, readCurveKeys } from "@wherry/service/curve";
import type { Context } from "../context.ts";
import { CliError, usageError } from "../errors.ts";

export interface KeygenOptions {
  readonly publicOf?: string;
  readonly output?: "json";
}

/** @param name of the files; absent: both keys are printed. */
export function keygen(name: string | undefined, { publicOf, output }: KeygenOptions, context: Context): number {
  const { terminal, cwd } = context;
  if (publicOf !== undefined) {
    if (name !== undefined) throw usageError("--public-of makes no keys: give it, or a name");
    terminal.out(publicKeyOf(resolve(cwd, publicOf)));
    return 0;
  }
  const pair = curveKeyPair();
  if (name === undefined) {
    if (output === "json") terminal.out(JSON.stringify(pair, null, 2));
    else for (const [kind, key] of Object.entries(pair)) terminal.out(`${kind.replace("Key", "").padEnd(6)}  ${key}`);
    return 0;
  }
  const [secretFile, publicFile] = [resolve(cwd, `${name}.secret`), resolve(cwd, `${name}.pub`)];
  writeNew(secretFile, pair.secretKey, 0o600);
  try {
    writeNew(publicFile, pair.publicKey, 0o644);
  } catch (error) {
    // Half a pair is of no use to anyone.
    rmSync(secretFile, { force: true });
    throw error;
  }
  const { publicKey } = pair;
  terminal.out(output === "json" ? JSON.stringify({ publicKey, secretFile, publicFile }, null, 2) : publicKey);
  terminal.note(`${name}.secret is yours alone; ${name}.pub, which is above, is for those who are to know you`);
  return 0;
}

function publicKeyOf(path: string): string {
  if (!existsSync(path))
    throw usageError(`there is no file ${path}: expected one with a secret key, as "wherry keygen NAME" writes`);
  try {
    return curvePublicKey(readCurveKeys(path)[0] ?? "");
  } catch (error) {
    throw usageError(asError(error).message);
  }
}

function writeNew(path: string, key: string, mode: number): void {
  let file: number | undefined;
  try {
    file = openSync(path, "wx", mode);
    writeSync(file, `${key}\n`);
    fsyncSync(file);
  } catch (error) {
    const { code, message } = asError(error) as NodeJS.ErrnoException;
    if (file !== undefined) rmSync(path, { force: true });
    throw new CliError(
      code === "EEXIST"
        ? `${path} is there already, and may be the only copy of its key: choose another name, or move it away`
        : code === "ENOENT"
          ? `${path} cannot be written: there is no folder ${dirname(path)}`
          : `${path} cannot be written: ${message}`,
    );
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
