// The settings of `run`: from flags, the environment and the pod, and what a wrong one says.
import { describe, expect, test } from "vitest";
import { type ProcessConfig, parseConfig } from "./config.ts";

function configOf(argv: readonly string[], env: Readonly<Record<string, string>> = {}): ProcessConfig {
  const parsed = parseConfig("test", argv, env);
  if (!("config" in parsed)) throw new Error("expected a configuration, got a text");
  return parsed.config;
}

describe("settings", () => {
  test("have defaults that only this machine can reach", () => {
    expect(configOf([])).toEqual({
      ...{ logLevel: "info", host: "127.0.0.1", port: 5555, ports: new Map(), adminPort: 9000 },
      ...{ logTo: ["stdout"], logAuthorization: undefined, logGzip: false, blockedMs: 1000, busyPollUs: 0 },
      ...{ podUid: undefined, podName: undefined, inCluster: false, describe: false },
    });
  });

  test("come from the environment, and flags win", () => {
    const env = { LOG_LEVEL: "DEBUG", HOST: "127.1.2.3", POD_IP: "127.9.9.9", PORT: "1", ADMIN_PORT: "2" };
    expect(configOf([], env)).toMatchObject({ logLevel: "debug", host: "127.1.2.3", port: 1, adminPort: 2 });
    const flags = ["--log-level=error", "--host", "::1", "--port", "3", "--admin-port", "4"];
    expect(configOf(flags, env)).toMatchObject({ logLevel: "error", host: "::1", port: 3, adminPort: 4 });
  });

  test("in a pod are the pod's: its address, its name and its UID", () => {
    const env = { KUBERNETES_SERVICE_HOST: "127.1.0.1", POD_IP: "127.1.64.2", POD_NAME: "echo-1", POD_UID: "u" };
    expect(configOf([], env)).toMatchObject({ host: "127.1.64.2", podName: "echo-1", podUid: "u", inCluster: true });
    expect(configOf([], { KUBERNETES_SERVICE_HOST: "10.0.0.1" })).toMatchObject({ host: "0.0.0.0" });
  });

  test.each([
    [["--host", "a b"], /^--host: expected an IP address or a host name, got "a b"$/],
    [["--port", ""], /^--port: expected a whole number from 0 to 65535/],
    [["--port", "1e3"], /^--port: expected a whole number from 0 to 65535/],
    [
      ["--broker", "sqlite://orders.db"],
      /^--broker: expected sqlite:\/\/\/ABSOLUTE\/PATH, .*got "sqlite:\/\/orders.db"$/,
    ],
    [["extra"], /see --help$/],
  ])("%j is refused in one line", (argv, message) => {
    expect(() => configOf(argv)).toThrow(
      expect.objectContaining({ code: "SERVICE_CONFIG_INVALID", message: expect.stringMatching(message) }),
    );
  });
});
