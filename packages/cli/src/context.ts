// What every command is handed: nothing ambient, so that a test can run one inside its own process.
import { readFileSync } from "node:fs";
import { type Clock, type Random, SystemClock, SystemRandom } from "@wherry/core";
import { Terminal } from "./terminal.ts";

export interface Context {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly random: Random;
  /** How the user called us, for commands to try next: `wherry`, or `npx wherry`. */
  readonly self: string;
  readonly version: string;
}

export function processContext(): Context {
  const viaNpm = process.env["npm_execpath"] !== undefined || process.env["npm_command"] !== undefined;
  const self = viaNpm ? "npx wherry" : "wherry";
  return {
    env: process.env,
    cwd: process.cwd(),
    terminal: new Terminal({ stdout: process.stdout, stderr: process.stderr, env: process.env, self }),
    clock: new SystemClock(),
    random: new SystemRandom(),
    version: packageVersion(),
    self,
  };
}

function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  return manifest.version;
}
