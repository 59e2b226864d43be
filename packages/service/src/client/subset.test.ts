// Which endpoints of many a client uses: evenly over all clients, and with little change when pods come and go.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Target } from "./discovery.ts";
import { hashOf } from "./rendezvous.ts";
import { subsetOf } from "./subset.ts";

const target = (name: string | number): Target => ({
  address: `tcp://10.0.${name}:5555`,
  pod: `pod-${name}`,
  ready: true,
  serving: true,
});
const targets = (count: number): Target[] => Array.from({ length: count }, (_, index) => target(index));
const podsOf = (all: readonly Target[]): Set<string | undefined> => new Set(all.map(({ pod }) => pod));

/** How many of these are not among those. */
const missing = (these: Set<string | undefined>, those: Set<string | undefined>): number =>
  [...these].filter((pod) => !those.has(pod)).length;

describe("a subset", () => {
  test("is all of them below 100, and then 20; it is given up below 50 only", () => {
    expect(subsetOf(targets(99), 20, 1, false)).toMatchObject({ partial: false, targets: { length: 99 } });
    expect(subsetOf(targets(100), 20, 1, false)).toMatchObject({ partial: true, targets: { length: 20 } });
    expect(subsetOf(targets(50), 20, 1, true)).toMatchObject({ partial: true, targets: { length: 20 } });
    expect(subsetOf(targets(49), 20, 1, true)).toMatchObject({ partial: false, targets: { length: 49 } });
    expect(subsetOf(targets(1000), false, 1, false)).toMatchObject({ partial: false, targets: { length: 1000 } });
  });

  test("has only ready ones; when too few are ready, everything there is", () => {
    const some = targets(200).map((one, index) => ({ ...one, ready: index % 2 === 0 }));
    expect(subsetOf(some, 20, 7, false).targets.every(({ ready }) => ready)).toBe(true);
    const few = targets(200).map((one) => ({ ...one, ready: false }));
    expect(subsetOf(few, 20, 7, true).targets).toHaveLength(200);
  });

  test.each([1, 2, 3])("of many clients loads all pods evenly (%i)", (round) => {
    const all = targets(100);
    const clients = new Map<string | undefined, number>();
    for (let client = 0; client < 1000; client++)
      for (const { pod } of subsetOf(all, 20, hashOf(`client-${round}-${client}`), false).targets)
        clients.set(pod, (clients.get(pod) ?? 0) + 1);
    const counts = [...clients.values()];
    expect(counts).toHaveLength(100);
    // 200 ± 13 by chance: five deviations.
    expect(Math.min(...counts)).toBeGreaterThan(135);
    expect(Math.max(...counts)).toBeLessThan(265);
    const deviation = Math.sqrt(counts.reduce((sum, count) => sum + (count - 200) ** 2, 0) / 100);
    expect(deviation).toBeLessThan(18);
  });

  test("changes by one member at most when a pod leaves or comes, and is the same for the same pods in any order", () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 101, max: 300 }), fc.nat(), (client, count, which) => {
        const all = targets(count);
        const hash = hashOf(client);
        const before = podsOf(subsetOf(all, 20, hash, true).targets);
        expect(podsOf(subsetOf(all.toReversed(), 20, hash, true).targets)).toEqual(before);
        const gone = all[which % count]!;
        const after = podsOf(subsetOf(all.toSpliced(which % count, 1), 20, hash, true).targets);
        expect(missing(before, after)).toBe(before.has(gone.pod) ? 1 : 0);
        const more = podsOf(subsetOf([...all, target("new")], 20, hash, true).targets);
        expect(missing(more, before)).toBeLessThanOrEqual(1);
      }),
    );
  });
});
