// What the ports of a process may have of the files that it may open: never more than all, and never nothing.
import fc from "fast-check";
import { expect, test } from "vitest";
import { httpConnectionsMax, openFilesReserve, peersMax } from "../limits.ts";
import { connectionsMax } from "./open-files.ts";

test("a process that may open enough has all that the limits allow", () => {
  expect(connectionsMax(true, 1, Infinity)).toEqual({ messaging: peersMax, http: httpConnectionsMax });
  expect(connectionsMax(false, 3, 1_048_576)).toEqual({ messaging: peersMax, http: 0 });
});

test("the ports of all services together leave the reserve, whatever may be opened; each has a place at least", () => {
  const [files, services] = [fc.integer({ min: 0, max: 300_000 }), fc.integer({ min: 1, max: 20 })];
  fc.assert(
    fc.property(files, services, fc.boolean(), (openFiles, count, withHttp) => {
      const { messaging, http } = connectionsMax(withHttp, count, openFiles);
      expect(messaging).toBeGreaterThanOrEqual(1);
      if (withHttp) expect(http).toBeGreaterThanOrEqual(1);
      const least = 2 * count;
      expect(count * (messaging + http)).toBeLessThanOrEqual(Math.max(least, openFiles - openFilesReserve));
    }),
  );
});
