// What a delivery of NATS says of itself, beside what the server says of the message that it stores: the same instant is the same number;
// and its headers, whoever wrote them.
import { headers, type Msg } from "@nats-io/transport-node";
import fc from "fast-check";
import { expect, test } from "vitest";
import { factsOf, textsOf, write } from "./names.ts";

/** As in a delivery's reply subject. */
const deliveredAt = (ms: number, nanoseconds: number): Pick<Msg, "reply"> => ({
  reply: `$JS.ACK.stream.wherry.1.7.7.${BigInt(ms) * 1_000_000n + BigInt(nanoseconds)}.0`,
});

/** As in the answer to STREAM.MSG.GET, which the library gives to `Date`. */
const storedAt = (ms: number, nanoseconds: number): number =>
  new Date(new Date(ms).toISOString().replace("Z", `${String(nanoseconds).padStart(6, "0")}Z`)).getTime();

test("a message was stored at the same time by its delivery and by the stream, to the last nanosecond before the next", () => {
  const ms = fc.integer({ min: Date.UTC(2020, 0), max: Date.UTC(2100, 0) });
  const nanoseconds = fc.oneof(fc.integer({ min: 0, max: 999_999 }), fc.integer({ min: 999_800, max: 999_999 }));
  fc.assert(
    fc.property(ms, nanoseconds, (at, more) => {
      expect(factsOf(deliveredAt(at, more) as Msg)?.storedMs).toBe(storedAt(at, more));
    }),
  );
});

test("texts come back from headers as they went in; a header that somebody else wrote ends nothing", () => {
  const text = fc.string({ unit: "grapheme", minLength: 1 });
  fc.assert(
    fc.property(text, (key) => {
      expect(textsOf(write(headers(), { key }))).toEqual({ key });
    }),
  );
  const foreign = headers();
  foreign.set("discount", "100%");
  expect(textsOf(foreign)).toEqual({ discount: "100%" });
});
