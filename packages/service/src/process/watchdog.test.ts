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
    spin: (ms) => { culprit(ms); return ms; },
    hash: (rounds) => pbkdf2Sync("a", "b", rounds, 64, "sha512").length,
  } }));`;

const args = ["--port", "0", "--admin-port", "0", "--blocked-ms", "300", "--log-level", "debug"];

/** Keeps it busy until its event loop is watched. */
async function watched(
  child: Child,
): Promise<{ readonly call: (method: string, body: number) => void; readonly admin: string }> {
  const { endpoint, admin } = await child.listening;
  const client = connect("shop", { endpoints: [endpoint] });
  await expect
    .poll(
      async () => {
        await client.call("spin", 100);
        return child.records.some(({ msg }) => msg.includes("is watched from now on"));
      },
      { interval: 1 },
    )
    .toBe(true);
  const call = (method: string, body: number): void =>
    void client.call(method, body, { deadlineMs: 60_000 }).catch(() => undefined);
  return { call, admin };
}

const named = (child: Child) => child.records.filter(({ msg }) => msg.includes("is blocked for"));

describe("a blocked event loop", () => {
  test("is named by its stack while it is still blocked, for ever if need be", async () => {
    const child = startChild({ program, args });
    const { call } = await watched(child);
    call("spin", 1e9);
    await expect.poll(() => named(child).length).toBe(1);
    expect(named(child)[0]).toMatchObject({
      ...{ level: "warn", service: "shop", blockedMs: expect.any(Number), time: expect.stringMatching(/Z$/) },
      err: { type: "EventLoopBlocked", stack: expect.stringMatching(/at culprit \([^)]+:4:\d+\)\n +at (\S+\.)?spin /) },
      msg: expect.stringMatching(/^the event loop is blocked for \d+ ms by culprit \(.+:4:\d+\)$/),
    });
    expect(child.stderr()).toBe("");
  });

  test("goes on afterwards as if nothing had been, is counted, and keeps the service alive", async () => {
    const child = startChild({ program, args });
    const { call, admin } = await watched(child);
    call("spin", 1500);
    await expect.poll(() => child.records.some(({ msg }) => msg.includes("was blocked for"))).toBe(true);
    expect(named(child)).toHaveLength(1);
    expect((await fetch(`${admin}/livez`)).status).toBe(200);
    expect(await (await fetch(`${admin}/metrics`)).text()).toMatch(/wherry_event_loop_blocked_total [1-9]/);
    child.process.kill("SIGTERM");
    await expect.poll(() => child.records.some(({ msg }) => msg.includes("draining"))).toBe(true);
  });

  test("by native code is named by the call of it", async () => {
    const child = startChild({ program, args });
    const { call } = await watched(child);
    call("hash", 3_000_000);
    await expect.poll(() => named(child).length).toBe(1);
    expect(named(child)[0]?.msg).toMatch(/hash|native code/);
  });
});
