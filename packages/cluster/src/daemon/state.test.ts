// The state folder is its owner's, has one daemon at a time, and names it in a way that a reused pid cannot fool.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isLocked, takeLock } from "./lock.ts";
import { isAlive, ownIdentity, signalProcess } from "./process-identity.ts";
import { clusterPaths, prepareState, readDaemonInfo, runningDaemon, wherryHome, writeFileAtomic } from "./state.ts";

let home: string;
beforeEach(() => {
  home = join(mkdtempSync(join(tmpdir(), "wherry-state-")), "home");
});
afterEach(() => {
  rmSync(join(home, ".."), { recursive: true, force: true });
});

describe("the state folder", () => {
  test("is made for its owner alone", () => {
    const paths = clusterPaths(home, "default");
    prepareState(paths);
    for (const path of [paths.home, paths.folder, paths.pki]) expect(statSync(path).mode & 0o777).toBe(0o700);
    prepareState(paths);
  });

  test.each([
    ["a file", (path: string) => writeFileSync(path, ""), /not a folder|ENOTDIR/],
    ["a link", (path: string) => symlinkSync(tmpdir(), path), /symbolic link/],
    [
      "a folder that others can write",
      (path: string) => {
        mkdirSync(path);
        chmodSync(path, 0o777);
      },
      /chmod 700/,
    ],
  ])("is refused when it is %s, with what to do", (_, make, message) => {
    make(home);
    expect(() => prepareState(clusterPaths(home, "default"))).toThrow(message);
    expect(() => prepareState(clusterPaths(home, "default"))).toThrow(/WHERRY_HOME/);
  });

  test("is refused below a file", () => {
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, "file"), "");
    expect(() => prepareState(clusterPaths(join(home, "file", "x"), "default"))).toThrow(/WHERRY_HOME/);
  });

  test.each(["", "Default", "../up", "a/b", "-a", "a-", "a".repeat(64)])("has no cluster named %j", (name) => {
    expect(() => clusterPaths(home, name)).toThrow(/--name/);
  });

  test("is where the environment says", () => {
    expect(wherryHome({ WHERRY_HOME: "/a", XDG_STATE_HOME: "/b" })).toBe("/a");
    expect(wherryHome({ XDG_STATE_HOME: "/b" })).toBe("/b/wherry");
    expect(wherryHome({})).toMatch(/\.local\/state\/wherry$/);
  });
});

describe("a daemon's identity", () => {
  test("is its pid with its start time: a reused pid is another process, and is never signalled", () => {
    const own = ownIdentity();
    expect(isAlive(own)).toBe(true);
    expect(isAlive({ ...own, startTime: "1" })).toBe(false);
    expect(signalProcess({ ...own, startTime: "1" }, "SIGKILL")).toBe(false);
    expect(signalProcess({ pid: 0, startTime: "" }, "SIGKILL")).toBe(false);
  });

  test("is read from daemon.json; a damaged one is no daemon", () => {
    const paths = clusterPaths(home, "default");
    prepareState(paths);
    expect(runningDaemon(paths)).toBeUndefined();
    writeFileAtomic(paths.daemonFile, JSON.stringify({ ...ownIdentity(), server: "https://127.0.0.1:1" }));
    expect(runningDaemon(paths)?.pid).toBe(process.pid);
    writeFileAtomic(paths.daemonFile, '{"pid":');
    expect(readDaemonInfo(paths)).toBeUndefined();
  });
});

describe("the lock", () => {
  test("is held by one daemon at a time, and is free again when that ends", () => {
    const paths = clusterPaths(home, "lab");
    prepareState(paths);
    const lock = takeLock(paths);
    expect(() => takeLock(paths)).toThrow(/already running.*wherry down --name lab/);
    expect(isLocked(paths)).toBe(true);
    lock.release();
    expect(isLocked(paths)).toBe(false);
    takeLock(paths).release();
  });
});
