// The probe tells a service that answers from one that does not, as a process beside it.
import { describe, expect, test } from "vitest";
import { probe } from "./probe.ts";
import { startChild } from "./testing/child.ts";
import { clientOf, program } from "./process/run.suite.ts";

/** Of those that answer: only what hangs takes this long. */
const patient = { timeoutMs: 60_000 };

describe("probe", () => {
  test("tells a service that answers from one that is stopped, blocked, or not there", async () => {
    const child = startChild({ program: program() });
    const { endpoint } = await child.listening;
    expect(await probe(endpoint, patient)).toMatchObject({ ok: true, state: "ready", service: "echo" });
    expect(await probe(endpoint.replace("tcp://", ""), patient)).toMatchObject({ ok: true });

    child.process.kill("SIGSTOP");
    expect(await probe(endpoint, { timeoutMs: 200 })).toMatchObject({ ok: false });
    child.process.kill("SIGCONT");
    expect(await probe(endpoint, patient)).toMatchObject({ ok: true });

    clientOf(endpoint)
      .call("do", "hang", { deadlineMs: 60_000 })
      .catch(() => undefined);
    expect(await probe(endpoint, patient)).toMatchObject({ ok: true });

    child.process.kill("SIGKILL");
    await child.exit;
    const gone = await probe(endpoint, { timeoutMs: 200 });
    expect(gone).toMatchObject({ ok: false, error: expect.stringContaining("did not answer within 200 ms") });
  });

  test("a blocked event loop fails the probe, as does a peer of another protocol; the raw probe asks any of them", async () => {
    const child = startChild({ program: program() });
    const blocked = await child.listening;
    const client = clientOf(blocked.endpoint);
    client.call("do", "block").catch(() => undefined);
    await expect.poll(() => probe(blocked.endpoint, { timeoutMs: 200 })).toMatchObject({ ok: false });
    const methodsOnly = await startChild({ program: program() }).listening;
    expect(await probe(methodsOnly.endpoint, { raw: true, ...patient })).toMatchObject({
      ok: false,
      error: expect.stringMatching(/^service echo has no raw handler, only methods/),
    });
    const echo = await startChild().listening;
    expect(await probe(echo.endpoint, { raw: true, ...patient })).toMatchObject({ ok: true, state: "unknown" });
  });
});
