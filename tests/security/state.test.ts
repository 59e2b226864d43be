// The state folder: whoever is not its owner reads nothing of it, and a folder that is not ours alone, or a damaged file in
// it, is one message and no start.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Session } from "../support/session.ts";
import { doorOf } from "./door.ts";

const session = new Session();
const folder = join(session.home, "default");
const isRoot = process.getuid?.() === 0;

beforeAll(async () => {
  // Whatever the user's umask says.
  const before = process.umask(0);
  const { code, stdout, stderr } = await session
    .run("up", "examples/echo", "--detach")
    .finally(() => process.umask(before));
  expect(code, stdout + stderr).toBe(0);
});
afterAll(() => session.close());

describe("another user", () => {
  test("is kept out by the modes of everything, also when it was made under umask 000", () => {
    const open = readdirSync(folder, { recursive: true, encoding: "utf8" })
      // What a pod's own volumes show is the pod's business; the folders above them are closed.
      .filter((path) => !/^pods\/[^/]+\/volumes/.test(path))
      .filter(
        (path) => !lstatSync(join(folder, path)).isSymbolicLink() && (lstatSync(join(folder, path)).mode & 0o077) !== 0,
      )
      .filter((path) => !/^pods\/[^/]+\/containers\//.test(path));
    expect(open).toEqual([]);
    expect(lstatSync(folder).mode & 0o777).toBe(0o700);
  });

  test.skipIf(!isRoot)(
    "reads neither folder nor kubeconfig, nor the daemon's environment (needs root to try)",
    async () => {
      const { pid } = await session.status();
      for (const path of [session.home, folder, session.kubeconfig, `/proc/${pid}/environ`, `/proc/${pid}/fd`]) {
        const asNobody = spawnSync("setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", "ls", "-R", path]);
        const read = spawnSync("setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", "cat", path]);
        expect(read.status, path).not.toBe(0);
        if (path.endsWith("default")) expect(asNobody.status, path).not.toBe(0);
      }
    },
  );
});

test("the administrator's token is in no command line, no environment, no log and no file but its own two", async () => {
  const { token } = doorOf(session.kubeconfig);
  await session.kubectl("get", "pods", "-v=1");
  const holders = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => {
    const stats = lstatSync(join(folder, path));
    return stats.isFile() && readFileSync(join(folder, path), "latin1").includes(token);
  });
  expect(holders.sort()).toEqual(["kubeconfig", "pki/admin.token"]);
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name)))
    for (const file of ["cmdline", "environ"]) {
      let text = "";
      try {
        text = readFileSync(`/proc/${pid}/${file}`, "latin1");
      } catch {
        // It ended, or is another user's.
      }
      expect(text.includes(token), `/proc/${pid}/${file}`).toBe(false);
    }
});

describe("a start is refused in one line, and leaves nothing running", () => {
  const refusal = async (make: (home: string) => void, message: RegExp): Promise<void> => {
    const home = join(session.home, "other");
    make(home);
    const { code, stderr, stdout } = await session.wherry(["up", "--detach"], { WHERRY_HOME: home }).finished;
    expect(code, stdout + stderr).toBe(1);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split("\n"), stderr).toHaveLength(1);
    const status = await session.wherry(["status"], { WHERRY_HOME: home }).finished;
    expect(status.code, status.stdout + status.stderr).not.toBe(0);
    rmSync(home, { recursive: true, force: true });
  };

  test("in a folder that others can write to, or that is a link", async () => {
    await refusal((home) => {
      mkdirSync(home);
      chmodSync(home, 0o777);
    }, /written by other users/);
    await refusal((home) => symlinkSync(folder, home), /symbolic link/);
  });

  test("with a store or a lock that is not one", async () => {
    const damaged = (name: string, text: string): ((home: string) => void) => {
      return (home) => {
        mkdirSync(join(home, "default"), { recursive: true, mode: 0o700 });
        writeFileSync(join(home, "default", name), text, { mode: 0o600 });
      };
    };
    await refusal(damaged("store.db", "not a database, but long enough to be taken for one".repeat(100)), /store\.db/);
    await refusal(damaged("lock", "not a database, but long enough to be taken for one".repeat(100)), /lock/);
  });
});
