// A blocked event loop in a real process: named while it is blocked.
import { afterEach, describe, expect, test } from "vitest";
import { connect } from "../client/connect.ts";
import { type Child, startChild, stopChildren } from "../testing/child.ts";

afterEach(stopChildren);

const program = `
  import { run, service } from "@wherry/service";
  import { pbkdf2Sync } from "node:crypto";
  function culprit(ms) { for (const end = performance.now() + ms; performance.now() < end; ); }
  await run(service("shop", { methods: {
    warm: () => { for (const end = performance.now() + 100; performance.now() < end; ); },
    spin: (ms) => { culprit(ms); return ms; },
    hash: (rounds) => pbkdf2Sync("a", "b", rounds, 64, "sha512").length,
  } }));`;

const args = ["--port", "0", "--admin-port", "0", "--blocked-ms", "300", "--log-level", "debug"];

/** Keeps it busy until its event loop is watched. */
async function watched(
  child: Child,
): Promise<{ readonly call: (method: string, body: number) => Promise<unknown>; readonly admin: string }> {
  const { endpoint, admin } = await child.listening;
  const client = connect("shop", { endpoints: [endpoint], deadlineMs: 60_000 });
  await expect
    .poll(
      async () => {
        await client.call("warm");
        return child.records.some(({ msg }) => msg.includes("is watched from now on"));
      },
      { interval: 1 },
    )
    .toBe(true);
  const call = (method: string, body: number): Promise<unknown> => client.call(method, body).catch(() => undefined);
  return { call, admin };
}

/** Blocks by what the test had it do: on a busy machine anything may look like one. */
const named = (child: Child, by: RegExp) =>
  child.records.filter(({ msg }) => msg.includes("is blocked for") && by.test(msg));
const culprit = /by culprit \(/;

describe("a blocked event loop", () => {
  test("is named by its stack while it is still blocked, for ever if need be", async () => {
    const child = startChild({ program, args });
    const { call } = await watched(child);
    void call("spin", 1e9);
    await expect.poll(() => named(child, culprit).length).toBe(1);
    expect(named(child, culprit)[0]).toMatchObject({
      ...{ level: "warn", service: "shop", blockedMs: expect.any(Number), time: expect.stringMatching(/Z$/) },
      err: { type: "EventLoopBlocked", stack: expect.stringMatching(/at culprit \([^)]+:4:\d+\)\n +at (\S+\.)?spin /) },
      msg: expect.stringMatching(/^the event loop is blocked for \d+ ms by culprit \(.+:4:\d+\)$/),
    });
    expect(child.stderr()).toBe("");
  });

  test("goes on afterwards as if nothing had been, is counted, and keeps the service alive", async () => {
    const child = startChild({ program, args });
    const { call, admin } = await watched(child);
    // Where the thread has no turn either, the block is not named; but never twice.
    await expect
      .poll(async () => {
        await call("spin", 1500);
        return named(child, culprit).length;
      })
      .toBe(1);
    await expect.poll(() => child.records.some(({ msg }) => msg.includes("was blocked for"))).toBe(true);
    expect((await fetch(`${admin}/livez`)).status).toBe(200);
    expect(await (await fetch(`${admin}/metrics`)).text()).toMatch(/wherry_event_loop_blocked_total [1-9]/);
    child.process.kill("SIGTERM");
    await expect.poll(() => child.records.some(({ msg }) => msg.includes("draining"))).toBe(true);
  });

  test("by native code is named by the call of it", async () => {
    const child = startChild({ program, args });
    const { call } = await watched(child);
    void call("hash", 3_000_000);
    await expect.poll(() => named(child, /hash|native code/).length).toBe(1);
  });
});
