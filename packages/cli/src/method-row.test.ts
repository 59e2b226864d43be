// What `wherry describe` says of a method in one line.
import { expect, test } from "vitest";
import { methodRow } from "./method-row.ts";

const plain = { trust: "external", idempotent: false, keyed: false } as const;

test.each([
  [plain, ""],
  [{ ...plain, keyed: true, idempotent: true }, "idempotent, keyed"],
  [{ ...plain, trust: "internal", stream: "out", endless: true } as const, "stream out, endless, internal"],
  // Durable methods are keyed, whether it is said or not.
  [
    { ...plain, keyed: true, durable: { broker: "nats", redeliveriesMax: 5, maxRunMs: 1 } } as const,
    "durable (nats, 5 redeliveries)",
  ],
  [{ ...plain, keyed: true, durable: { redeliveriesMax: 1, maxRunMs: 1 } }, "durable (1 redelivery)"],
])("a method's row says what is promised of it: %o", (method, flags) => {
  expect(methodRow(["buy", method])).toEqual(["buy", expect.stringMatching(/^any → any/), flags]);
});
