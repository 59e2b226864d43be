// One budget of bodies for all that a service holds, and the part of it that HTTP may have.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { connect } from "../client/connect.ts";
import { bodiesBytesMax, bodyBytesMax, httpBodiesBytesMax } from "../limits.ts";
import { service } from "../define.ts";
import { BodyBudget, type BodyShare } from "./body-budget.ts";
import { serve } from "./serve.ts";

describe("a budget of bodies", () => {
  test("holds no more than it may, all parts together; one body alone always has room", () => {
    const whole = new BodyBudget(100);
    const part = new BodyBudget(60, whole);
    expect([part.take(50), part.take(20), whole.take(50), whole.take(1), part.take(1)]).toEqual([
      ...[true, false, true, false, false],
    ]);
    part.release(50);
    expect([whole.bytes, whole.take(50), whole.take(1)]).toEqual([50, true, false]);
    expect([new BodyBudget(10).take(11), new BodyBudget(10, new BodyBudget(5)).take(11)]).toEqual([true, true]);
  });

  test("is empty when all is released, whatever was taken", () => {
    const part = fc.record({ bytes: fc.nat(50), of: fc.nat(3) });
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const whole = new BodyBudget(100);
        const http = new BodyBudget(60, whole);
        const shares: BodyShare[] = [http.share(), http.share(), whole.share(), whole.share()];
        for (const { bytes, of } of parts) {
          shares[of]?.take(bytes);
          expect(http.bytes).toBeLessThanOrEqual(60);
          expect(whole.bytes).toBeLessThanOrEqual(100);
        }
        for (const share of shares) share.release();
        expect([whole.bytes, http.bytes]).toEqual([0, 0]);
      }),
    );
  });

  test("those who upload slowly over HTTP keep no other client out", async () => {
    expect(httpBodiesBytesMax).toBeLessThanOrEqual(bodiesBytesMax - bodyBytesMax);
    const {
      endpoint,
      server,
      httpUrl = "",
    } = await serve(service("echo", { methods: { echo: (body: unknown) => body } }), {
      http: true,
    });
    // As much as all of them together may hold.
    const slow = new BodyBudget(httpBodiesBytesMax, server.bodies);
    expect(slow.take(httpBodiesBytesMax)).toBe(true);
    const client = connect("echo", { endpoints: [endpoint] });
    const large = Buffer.alloc(bodyBytesMax - 100);
    expect(await client.call("echo", large)).toHaveLength(large.length);
    slow.release(httpBodiesBytesMax);
    // Counted once on its way through, and gone with its answer.
    const headers = { "content-type": "application/octet-stream" };
    expect((await (await fetch(`${httpUrl}/echo`, { method: "POST", headers, body: large })).bytes()).length).toBe(
      large.length,
    );
    await expect.poll(() => server.bodies.bytes).toBe(0);
    await client.close();
    await server.close();
  });
});
