// The committed field numbers are those of the kubectl that the tests use.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { definitions } from "@wherry/kube/schema";
import { expect, it } from "vitest";
import { protobufFields } from "./generated/fields.ts";

it("are what scripts/generate-protobuf.ts reads out of kubectl", async () => {
  const folder = await mkdtemp(join(tmpdir(), "wherry-protobuf-"));
  try {
    const out = join(folder, "fields.ts");
    const script = fileURLToPath(new URL("../../../../../scripts/generate-protobuf.ts", import.meta.url));
    await promisify(execFile)(process.execPath, [script, "--out", out]);
    const committed = new URL("generated/fields.ts", import.meta.url);
    expect(await readFile(out, "utf8")).toBe(await readFile(committed, "utf8"));
  } finally {
    await rm(folder, { recursive: true });
  }
});

it("name fields that the definitions have", () => {
  const unknown = Object.entries(protobufFields).flatMap(([definition, table]) => {
    const fields = definitions[definition];
    if (fields === undefined) return [];
    const names = [...table.matchAll(/\d+:([^+?\s]+)/g)].map(([, name = ""]) => name);
    return names.filter((name) => !(name in fields)).map((name) => `${definition}.${name}`);
  });
  // An alpha field of v1.35 that v1.36, whose definitions ours are, has replaced. Nothing here would look at it.
  expect(unknown).toEqual(["PodSpec.workloadRef"]);
});
