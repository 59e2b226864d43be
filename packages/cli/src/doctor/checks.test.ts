// What `wherry doctor` finds on a machine, and what it says to do.
import { expect, test } from "vitest";
import { checkMachine, type Finding, type Machine } from "./checks.ts";

const well: Machine = {
  nodeVersion: "24.21.0",
  nodePath: "/bin/node",
  home: "/home/me/.local/state/wherry",
  exists: (path) => ["/", "/home", "/home/me"].includes(path),
  isWritable: () => true,
  freeBytes: () => 10_000_000_000,
  readText: () => "65536\n",
  listenProblem: () => Promise.resolve(undefined),
  kubectl: () => Promise.resolve("/bin/kubectl"),
};

async function find(name: string, more: Partial<Machine>): Promise<Finding | undefined> {
  return (await checkMachine({ ...well, ...more })).find((finding) => finding.name === name);
}

test("nothing is wrong with a machine that is well", async () => {
  const findings = await checkMachine(well);
  expect(findings.map(({ name, state }) => `${name} ${state}`)).toEqual(
    ["node", "state", "addresses", "kubectl", "watches"].map((name) => `${name} ok`),
  );
});

test.each<[string, Partial<Machine>, Finding["state"], RegExp]>([
  ["state", { isWritable: () => false }, "bad", /can't be made: \/home\/me can't be written: .*WHERRY_HOME/],
  ["state", { exists: () => true, isWritable: () => false }, "bad", /^\/home\/me\/\S+wherry can't be written/],
  ["state", { freeBytes: () => 1_048_576 }, "bad", /^1 MiB are free in \/home\/me: a cluster needs 100; make room/],
  ["addresses", { listenProblem: () => Promise.resolve("EADDRNOTAVAIL") }, "bad", /127\.254\.254\.254 .*EADDRNOTAVAIL/],
  ["kubectl", { kubectl: () => Promise.reject(new Error("no kubectl: install it")) }, "note", /install it/],
  ["watches", { readText: () => "128\n" }, "note", /only 128 files.*sysctl fs\.inotify\.max_user_watches=/],
])("%s: what is wrong, and what to do", async (name, more, state, said) => {
  expect(await find(name, more)).toMatchObject({ state, said: expect.stringMatching(said) });
});

test("a machine without inotify has no limit of watches to tell of", async () => {
  expect(await find("watches", { readText: () => undefined })).toBeUndefined();
});
