// The lines of a guide's shell blocks, run as a reader would type them.
import { expect } from "vitest";
import type { Session } from "./session.ts";

/** Runs a line in `folder` as it stands; after `# →` is what it prints, among other things. */
export async function runGuideLine(session: Session, folder: string, line: string): Promise<void> {
  const [command = "", expected = ""] = line.split(/\s+# → /);
  const env = { KUBECONFIG: "", XDG_STATE_HOME: "", PWD: folder };
  const script = `cd ${JSON.stringify(folder)} && { ${command}\n}`;
  const { code, stdout, stderr } = await session.start("bash", ["-c", script], env).finished;
  expect({ command, code, said: stdout + stderr }).toMatchObject({ code: 0, said: expect.stringContaining(expected) });
}
