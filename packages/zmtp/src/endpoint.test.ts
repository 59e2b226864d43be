// Which endpoints are understood, and what is said of the others.
import "./leftovers.suite.ts";
import { expect, it } from "vitest";
import { formatEndpoint, parseEndpoint } from "./endpoint.ts";

it.each([
  ["tcp://127.0.0.1:5555", { transport: "tcp", host: "127.0.0.1", port: 5555 }],
  ["tcp://[::1]:5555", { transport: "tcp", host: "::1", port: 5555 }],
  ["tcp://some-host.example:80", { transport: "tcp", host: "some-host.example", port: 80 }],
  ["ipc:///run/x.sock", { transport: "ipc", path: "/run/x.sock" }],
  ["ipc://relative/x.sock", { transport: "ipc", path: "relative/x.sock" }],
])("%s can be connected to", (text, endpoint) => {
  expect(parseEndpoint(text, "connect")).toEqual(endpoint);
  expect(formatEndpoint(parseEndpoint(text, "connect"))).toBe(text);
});

it("wildcards are for binding only", () => {
  expect(parseEndpoint("tcp://*:*", "bind")).toEqual({ transport: "tcp", host: undefined, port: 0 });
  expect(() => parseEndpoint("tcp://*:80", "connect")).toThrow(/no wildcard/);
  expect(() => parseEndpoint("tcp://host:*", "connect")).toThrow(/no wildcard/);
});

it.each([
  "",
  "tcp://",
  "tcp://127.0.0.1",
  "tcp://127.0.0.1:65536",
  "tcp://127.0.0.1:-1",
  "tcp://[zz]:1",
  "tcp://::1:80",
  "tcp://a b:80",
  "http://127.0.0.1:80",
  "inproc://",
  "ipc://",
  "ipc://@",
  `ipc:///${"x".repeat(200)}`,
])("%j is refused, with what is expected instead", (text) => {
  expect(() => parseEndpoint(text, "bind")).toThrow(
    expect.objectContaining({ code: "ZMTP_ENDPOINT_INVALID", message: expect.stringContaining("expected tcp://") }),
  );
});
