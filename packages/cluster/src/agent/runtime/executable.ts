// Finds the program that a command names before anything is started, so that a typo is one clear message and not a shell's exit code.
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import { WherryError } from "@wherry/core";

/**
 * Checks the working directory and the program, as execvp(3) would look for it.
 * @throws WherryError `RUNTIME_START_FAILED`; `details.exitCode` is 127 (not found) or 126 (found, but can't run), as shells say it.
 */
export async function checkExecutable(command: string, path: string, workingDir: string): Promise<void> {
  if (!(await isFolder(workingDir)))
    throw startFailed(
      `working directory ${JSON.stringify(workingDir)} must be a folder on this machine, and is none: mend workingDir, or the image's folder`,
      127,
    );
  if (command === "") throw startFailed("the command must name a program, and is empty: set command or args", 127);
  const candidates = command.includes("/")
    ? [isAbsolute(command) ? command : resolve(workingDir, command)]
    : path
        .split(":")
        .filter((folder) => folder !== "")
        .map((folder) => join(folder, command));
  let found: string | undefined;
  for (const candidate of candidates) {
    const verdict = await examine(candidate);
    if (verdict === "executable") return;
    if (verdict === "not executable") found ??= candidate;
  }
  if (found !== undefined)
    throw startFailed(
      `program ${JSON.stringify(found)} is not executable: make it so (chmod +x), or run it through its interpreter`,
      126,
    );
  throw startFailed(
    command.includes("/")
      ? `program ${JSON.stringify(command)} does not exist on this machine: mend command, or install it`
      : `program ${JSON.stringify(command)} is not in PATH (${path}): mend command, or install it`,
    127,
  );
}

/** An error of a start, as the runtime's contract promises it. */
export function startFailed(message: string, exitCode: 126 | 127 | 128, cause?: unknown): WherryError {
  return new WherryError(message, { code: "RUNTIME_START_FAILED", details: { exitCode }, cause });
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function examine(path: string): Promise<"executable" | "not executable" | "absent"> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return "absent";
  if (!found.isFile()) return "not executable";
  return await access(path, constants.X_OK).then(
    () => "executable" as const,
    () => "not executable" as const,
  );
}
