// What tests of services as processes share: a program whose method behaves as it is asked to, clients, and an end for all of them.
import { afterEach } from "vitest";
import { connect } from "../client/connect.ts";
import { stopChildren } from "../testing/child.ts";

/** What is closed after each test. */
export const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await stopChildren();
});

export function clientOf(...endpoints: string[]) {
  // A busy machine is slow, not wrong.
  const client = connect("echo", { endpoints, deadlineMs: 60_000 });
  cleanups.push(() => client.close());
  return client;
}

export const fetchJson = async (url: string): Promise<[number, unknown]> => {
  const response = await fetch(url);
  return [response.status, await response.json()];
};

/** A program with one method that behaves as its body says. */
export const program = (options = ""): string => `
  import { run, service, ServiceError } from "@wherry/service";
  await run(service("echo", { version: "1.2.3", methods: { do: (body: string) => {
    if (body === "hang") return new Promise(() => undefined);
    if (body === "bug") throw new TypeError("a bug in the handler");
    if (body === "stray") void Promise.reject(new Error("nobody catches this"));
    if (body === "expected") throw new ServiceError("EXPECTED", "no harm done");
    if (body === "block") { for (const end = performance.now() + 1e5; performance.now() < end; ); }
    return body;
  } } }), { ${options} });`;
