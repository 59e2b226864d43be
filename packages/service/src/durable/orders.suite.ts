// What tests of durable calls have in common: a broker in a file of their own, and a service `orders` with one durable method. In one
// process, with the SQLite broker.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { connect } from "../client/connect.ts";
import type { Client } from "../client/types.ts";
import type { Schema, SchemaResult } from "../schema.ts";
import { serve, type Serving } from "../server/serve.ts";
import { method, service } from "../define.ts";
import type { RequestContext } from "../handler.ts";
import type { Service } from "../service.ts";
import { openBroker, queueOf } from "./open.ts";
import type { Broker, DeadLetter, Depth } from "./types.ts";

let folder = "";
/** What each test closes when it is over. */
export const closing: (() => Promise<unknown>)[] = [];
let observer: Broker;

/** Of the test's broker. */
export const brokerUrl = (): string => `sqlite://${join(folder, "durable.db")}`;
export const brokerFolder = (): string => folder;
const queue = queueOf("orders", "order");
/** Of `order`. */
export const depth = (of = queue): Promise<Depth> => observer.depth(of);
export const deadLetters = (): Promise<readonly DeadLetter[]> => observer.deadLetters(queue, 10);
export const redriveAll = (): Promise<number> => observer.redrive(queue, "all");

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "wherry-durable-"));
  observer = await openBroker({ url: brokerUrl() });
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
  await observer.close();
  rmSync(folder, { recursive: true });
});

export async function serving(
  definition: Service,
  more: { onCrash?: () => void; namespace?: string } = {},
): Promise<Serving> {
  const started = await serve(definition, { broker: brokerUrl(), onCrash: () => undefined, ...more });
  closing.push(() => started.server.close());
  return started;
}

/** A service with one durable method, `order`, and a client that publishes to it. */
export function orders(
  handler: (body: unknown, context: RequestContext) => unknown,
  options: { redeliveriesMax?: number } = {},
) {
  const definition = service("orders", {
    methods: { order: method({ durable: options, trust: "internal", handler }), plain: (body: string) => body },
  });
  const start = (): Promise<Serving> => serving(definition);
  const client = (endpoints: string[] = [], durable: string[] = ["order"]): Client<typeof definition> => {
    const made = connect<typeof definition>("orders", { endpoints, durable, broker: brokerUrl() });
    closing.push(() => made.close());
    return made;
  };
  return { start, client };
}

/** A schema of one value. */
export function picky(value: string): Schema<string> {
  const validate = (given: unknown): SchemaResult<string> =>
    given === value ? { value } : { issues: [{ message: `expected a ${value}` }] };
  return { "~standard": { version: 1, vendor: "test", validate } };
}
