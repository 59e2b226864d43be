// The tables that are generated from Kubernetes' own definitions are those that the generator writes today.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const source = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
const generator = fileURLToPath(new URL("../../../../scripts/generate-definitions.ts", import.meta.url));

test("the committed definitions are what the generator makes of the installed client", async () => {
  const folder = await mkdtemp(join(tmpdir(), "wherry-definitions-"));
  try {
    await promisify(execFile)(process.execPath, [generator, "--out", folder]);
    for (const path of ["schema/generated/definitions.ts", "types/generated/definitions.ts"])
      expect(await readFile(source(path), "utf8"), `${path}: run npm run generate`).toBe(
        await readFile(join(folder, path), "utf8"),
      );
  } finally {
    await rm(folder, { recursive: true });
  }
});
