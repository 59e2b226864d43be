// The two halves of a stream's flow control against each other: whatever the order of sending, delivering, reading and ending.
import fc from "fast-check";
import { expect, test } from "vitest";
import { streamWindowBytes, streamWindowItems } from "../limits.ts";
import { lastPlace } from "../protocol/codes.ts";
import { wirePlace } from "../protocol/frames.ts";
import { Inbox } from "./inbox.ts";
import { Outflow, SendWindow } from "./window.ts";

type Step = "send" | "deliver" | "read" | "grant";
type Wire = { readonly place: number; readonly value: number; readonly bytes: number } | "end";

/** One direction of a stream, with messages under way both ways. */
function direction(outflow: Outflow) {
  const window = new SendWindow(outflow);
  const grants: (readonly [number, number])[] = [];
  const wire: Wire[] = [];
  const inbox = new Inbox<number>({
    grant: (items, bytes) => grants.push([items, bytes]),
    left: () => undefined,
  });
  inbox.open();
  return { window, grants, wire, inbox };
}

test("every item comes once and in order, what is held is within the window, and nothing stands still", async () => {
  const sizes = fc.array(fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 500_000 })), {
    maxLength: 600,
    size: "max",
  });
  const steps = fc.array(fc.constantFrom<Step>("send", "deliver", "read", "grant"), { maxLength: 3000, size: "max" });
  await fc.assert(
    fc.asyncProperty(sizes, steps, async (items, order) => {
      const outflow = new Outflow();
      const { window, grants, wire, inbox } = direction(outflow);
      const got: number[] = [];
      let ended = false;
      let sent = 0;
      const largest = Math.max(0, ...items);
      const act: Record<Step, () => boolean> = {
        send: () => {
          const bytes = items[sent];
          if (bytes === undefined || !window.isOpen) return false;
          wire.push({ place: window.spend(bytes), value: sent++, bytes });
          if (sent === items.length) wire.push("end");
          return true;
        },
        deliver: () => {
          const message = wire.shift();
          if (message === undefined) return false;
          if (message === "end") inbox.end();
          else expect(inbox.push(message.place, message.value, message.bytes)).toBe(true);
          expect(inbox.heldBytes).toBeLessThan(streamWindowBytes + largest + 1);
          return true;
        },
        read: () => {
          if (got.length + reading === sent) return false;
          reading++;
          void inbox.next().then(({ done, value }) => {
            reading--;
            if (done === true) ended = true;
            else got.push(value);
          });
          return true;
        },
        grant: () => {
          const grant = grants.shift();
          if (grant === undefined) return false;
          expect(grant[0]).toBeLessThanOrEqual(streamWindowItems);
          window.grant(...grant);
          return true;
        },
      };
      let reading = 0;
      for (const step of order) act[step]();
      // Then everybody does what he can: it must come to its end.
      for (let moved = true; moved; ) {
        moved = (["send", "deliver", "read", "grant"] as const).map((step) => act[step]()).includes(true);
        await Promise.resolve();
      }
      if (items.length === 0) inbox.end();
      for (let tail = await inbox.next(); tail.done !== true; tail = await inbox.next()) got.push(tail.value);
      ended = true;
      expect(got).toEqual(items.map((_, index) => index));
      expect(ended).toBe(true);
      window.close();
      expect(outflow.bytes).toBe(0);
    }),
    { numRuns: 60 },
  );
});

test("an item out of place, or beyond what was granted, is refused", () => {
  const inbox = new Inbox({ grant: () => undefined, left: () => undefined });
  expect(inbox.push(1, "before any grant", 1)).toBe(false);
  inbox.open();
  expect(inbox.push(2, "the second first", 1)).toBe(false);
  for (let place = 1; place <= streamWindowItems; place++) expect(inbox.push(place, place, 1)).toBe(true);
  expect(inbox.push(streamWindowItems + 1, "one too many", 1)).toBe(false);
  const large = new Inbox({ grant: () => undefined, left: () => undefined });
  large.open();
  expect(large.push(1, "the last one may exceed the bytes", streamWindowBytes + 1)).toBe(true);
  expect(large.push(2, "and no other", 0)).toBe(false);
  const ended = new Inbox({ grant: () => undefined, left: () => undefined });
  ended.open();
  ended.end();
  expect(ended.push(1, "after the end", 1)).toBe(false);
});

test("after as many items as a place can say, places begin anew, and the stream goes on", () => {
  const inbox = new Inbox({ grant: () => undefined, left: () => undefined }, lastPlace - 1);
  inbox.open();
  expect(inbox.push(lastPlace, "the last place", 1)).toBe(true);
  expect([0, 2, lastPlace + 1].map((place) => inbox.takes(place))).toEqual([false, false, false]);
  expect(inbox.push(1, "the first again", 1)).toBe(true);
  expect(inbox.push(2, "and on", 1)).toBe(true);
  const counts = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
  fc.assert(
    fc.property(counts, (count) => {
      const [place, next] = [wirePlace(count), wirePlace(count + 1)];
      expect(place).toBeGreaterThanOrEqual(1);
      expect(next).toBe(place === lastPlace ? 1 : place + 1);
    }),
    { examples: [[1], [lastPlace - 1], [lastPlace], [lastPlace + 1], [2 * lastPlace]] },
  );
});

test("an error comes after the items before it, once; a break comes at once", async () => {
  const read = async (inbox: Inbox): Promise<unknown[]> => {
    const got: unknown[] = [];
    for (let index = 0; index < 4; index++)
      got.push(
        await inbox.next().then(
          ({ value }) => value,
          (error: unknown) => (error as Error).message,
        ),
      );
    return got;
  };
  for (const [how, expected] of [
    ["end", [1, 2, "broken", undefined]],
    ["break", ["broken", undefined, undefined, undefined]],
  ] as const) {
    const inbox = new Inbox({ grant: () => undefined, left: () => undefined });
    inbox.open();
    inbox.push(1, 1, 1);
    inbox.push(2, 2, 1);
    inbox[how](new Error("broken"));
    inbox.end(new Error("a second end is none"));
    expect(await read(inbox)).toEqual(expected);
  }
});

test("streams of one connection share its bytes: who waits goes on when another's were taken", async () => {
  const outflow = new Outflow(1000);
  const [a, b] = [new SendWindow(outflow), new SendWindow(outflow)];
  for (const window of [a, b]) window.grant(10, 5000);
  a.spend(1000);
  expect([a.isOpen, b.isOpen]).toEqual([false, false]);
  let woken = false;
  const waiting = b.opens().then(() => (woken = true));
  await Promise.resolve();
  expect(woken).toBe(false);
  a.grant(1, 1000);
  await waiting;
  expect(b.isOpen).toBe(true);
  b.spend(700);
  b.close();
  expect(outflow.bytes).toBe(0);
});
