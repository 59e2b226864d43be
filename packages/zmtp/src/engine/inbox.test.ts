import "../leftovers.suite.ts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Message } from "../types.ts";
import { Inbox } from "./inbox.ts";
import type { Link } from "./link.ts";

const unlimited = { receiveQueueMessagesMax: 1e9, receiveQueueBytesMax: 1e9 };

function fakeLink(name: number): Link {
  return { id: name, inbox: [], inboxHead: 0 } as unknown as Link;
}

/** From peer and number to a message, and back. */
const message = (peer: number, n: number): Message => [Buffer.from(`${peer} ${n}`)];
const parsed = ([frame]: Message): [number, number] => String(frame).split(" ").map(Number) as [number, number];

describe("what peers sent", () => {
  it("is read once, in each peer's order, and no peer waits for more than one message of each other", async () => {
    const arrival = fc.record({ peer: fc.nat(3), count: fc.integer({ min: 1, max: 5 }), reads: fc.nat(6) });
    await fc.assert(
      fc.asyncProperty(fc.array(arrival, { maxLength: 30 }), async (arrivals) => {
        const inbox = new Inbox(unlimited, undefined, () => undefined);
        const links = [0, 1, 2, 3].map(fakeLink);
        const sent = [0, 0, 0, 0];
        const got = [0, 0, 0, 0];
        /** How many messages of others were read while this peer had one waiting. */
        const waited = [0, 0, 0, 0];
        const read = async (): Promise<void> => {
          const [peer, n] = parsed(await inbox.receive());
          expect(n).toBe(got[peer]);
          got[peer] = n + 1;
          for (const each of [0, 1, 2, 3]) {
            const hasMore = (sent[each] ?? 0) > (got[each] ?? 0);
            waited[each] = each === peer || !hasMore ? 0 : (waited[each] ?? 0) + 1;
            expect(waited[each]).toBeLessThanOrEqual(3);
          }
        };
        for (const { peer, count, reads } of arrivals) {
          const from = sent[peer] ?? 0;
          sent[peer] = from + count;
          inbox.push(
            links[peer] as Link,
            Array.from({ length: count }, (_, n) => message(peer, from + n)),
          );
          const waiting = sent.reduce((sum, n) => sum + n, 0) - got.reduce((sum, n) => sum + n, 0);
          for (let n = 0; n < Math.min(reads, waiting); n++) await read();
        }
        const rest = inbox.takeAll();
        for (const each of rest) {
          const [peer, n] = parsed(each);
          expect(n).toBe(got[peer]);
          got[peer] = n + 1;
        }
        expect(got).toEqual(sent);
      }),
    );
  });

  it("is given to whoever waits, in the order of their waiting, and not to one who has given up", async () => {
    const inbox = new Inbox(unlimited, undefined, () => undefined);
    const abort = new AbortController();
    const [first, second, third] = [inbox.receive(), inbox.receive(abort.signal), inbox.receive()];
    const refused = expect(second).rejects.toThrow("enough");
    abort.abort(new Error("enough"));
    inbox.push(fakeLink(0), [message(0, 0), message(0, 1), message(0, 2)]);
    await refused;
    expect([parsed(await first), parsed(await third)]).toEqual([
      [0, 0],
      [0, 1],
    ]);
    expect(inbox.takeAll().map(parsed)).toEqual([[0, 2]]);
  });
});
