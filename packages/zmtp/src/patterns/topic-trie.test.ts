// The tree of subscriptions finds what a plain list would, and leaves nothing behind.
import "../leftovers.suite.ts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TopicTrie } from "./topic-trie.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);
/** Few different bytes, so that topics are each other's prefixes. */
const topic = fc.array(fc.constantFrom(0, 97, 98, 255), { maxLength: 6 }).map((list) => Uint8Array.from(list));

function found(trie: TopicTrie<number>, text: Uint8Array): number[] {
  const subscribers = new Set<number>();
  trie.match(text, (subscriber) => subscribers.add(subscriber));
  return [...subscribers].sort((a, b) => a - b);
}

describe("the topic tree", () => {
  it("finds whoever subscribed to a prefix, after any adding and removing, as a plain list would", () => {
    const step = fc.record({ add: fc.boolean(), topic, subscriber: fc.nat(3) });
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 40 }),
        fc.array(topic, { minLength: 1, maxLength: 10 }),
        (steps, sent) => {
          const trie = new TopicTrie<number>();
          const list = new Map<string, Set<number>>();
          for (const each of steps) {
            const key = Buffer.from(each.topic).toString("latin1");
            const holders = list.get(key) ?? new Set();
            if (each.add) {
              expect(trie.add(each.topic, each.subscriber)).toBe(holders.size === 0);
              list.set(key, holders.add(each.subscriber));
            } else {
              const last = holders.delete(each.subscriber) && holders.size === 0;
              expect(trie.remove(each.topic, each.subscriber)).toBe(last);
            }
          }
          for (const text of sent) {
            const latin1 = Buffer.from(text).toString("latin1");
            const expected = new Set<number>();
            for (const [key, holders] of list) if (latin1.startsWith(key)) for (const one of holders) expected.add(one);
            expect(found(trie, text)).toEqual([...expected].sort((a, b) => a - b));
            expect(trie.matches(text)).toBe(expected.size > 0);
          }
          for (const [key, holders] of list)
            for (const one of [...holders]) trie.remove(Buffer.from(key, "latin1"), one);
          expect(trie.size).toBe(0);
        },
      ),
    );
  });

  it("splits and joins its edges: what is removed leaves nothing behind", () => {
    const trie = new TopicTrie<number>();
    trie.add(bytes("weather.paris"), 1);
    expect(trie.size).toBe(1);
    trie.add(bytes("weather.prague"), 2);
    expect(trie.size).toBe(3);
    trie.remove(bytes("weather.paris"), 1);
    expect(trie.size).toBe(1);
    expect(found(trie, bytes("weather.prague: sun"))).toEqual([2]);
    expect(found(trie, bytes("weather.p"))).toEqual([]);
  });

  it("does not keep the chunk that a topic came in", () => {
    const chunk = Buffer.from("topic");
    const trie = new TopicTrie<number>();
    trie.add(chunk, 1);
    chunk.fill(0);
    expect(found(trie, bytes("topic"))).toEqual([1]);
  });
});
