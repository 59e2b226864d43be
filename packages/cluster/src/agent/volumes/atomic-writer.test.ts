// Files of a volume change all at once, and never outside their folder.
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkPath, type Payload, writeAtomically } from "./atomic-writer.ts";

const payload = (files: Readonly<Record<string, string>>, mode = 0o640): Payload =>
  new Map(Object.entries(files).map(([path, text]) => [path, { data: Buffer.from(text), mode }]));

describe("the files of a volume", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "wherry-volume-"));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it("appear, change and go together, and are written only when they differ", async () => {
    expect(await writeAtomically(folder, payload({ a: "1", "sub/b": "2" }))).toBe(true);
    expect([await readFile(join(folder, "a"), "utf8"), await readFile(join(folder, "sub/b"), "utf8")]).toEqual([
      "1",
      "2",
    ]);
    expect((await stat(join(folder, "a"))).mode & 0o777).toBe(0o640);
    expect(await writeAtomically(folder, payload({ a: "1", "sub/b": "2" }))).toBe(false);
    expect(await writeAtomically(folder, payload({ a: "3", c: "4" }))).toBe(true);
    expect((await readdir(folder)).filter((name) => !name.startsWith("..")).sort()).toEqual(["a", "c"]);
    expect((await readdir(folder)).filter((name) => name.startsWith("..data_"))).toHaveLength(1);
    expect(await readFile(join(folder, "a"), "utf8")).toBe("3");
  });

  it("replace what a container put in their place, without following it", async () => {
    const outside = join(folder, "outside");
    await mkdir(join(folder, "volume"));
    await mkdir(outside);
    await writeFile(join(outside, "keep"), "safe");
    await writeAtomically(join(folder, "volume"), payload({ a: "1" }));
    await rm(join(folder, "volume", "a"));
    await symlink(outside, join(folder, "volume", "stranger"));
    await writeAtomically(join(folder, "volume"), payload({ a: "2" }));
    expect(await readFile(join(folder, "volume", "a"), "utf8")).toBe("2");
    expect(await readFile(join(outside, "keep"), "utf8")).toBe("safe");
  });

  it("don't follow their own link where a container has turned it", async () => {
    const outside = join(folder, "outside");
    await mkdir(outside);
    await writeFile(join(outside, "a"), "1");
    const volume = join(folder, "volume");
    for (const turned of ["../outside", outside, "..data_0123456789ab/../../outside"]) {
      await writeAtomically(volume, payload({ a: "0" }));
      await rm(join(volume, "..data"));
      await symlink(turned, join(volume, "..data"));
      expect(await writeAtomically(volume, payload({ a: "1" }))).toBe(true);
      expect(await readFile(join(outside, "a"), "utf8")).toBe("1");
    }
  });

  it.each(["../x", "a/../../x", "/etc/passwd", "", "..data", "..x/y", "a//b", "./a", "a\0b"])(
    "refuse the path %j",
    async (path) => {
      expect(() => checkPath(path)).toThrow(/must be relative/);
      await expect(writeAtomically(folder, payload({ [path]: "x" }))).rejects.toMatchObject({
        code: "AGENT_CONTAINER_CONFIG",
      });
      expect(await readdir(folder)).toEqual([]);
    },
  );
});
