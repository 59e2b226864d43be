// Signals to a service that is a process of its own: whatever it is doing, it ends as it was told, and no request is lost.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { connect } from "../client/connect.ts";
import { startChild } from "../testing/child.ts";
import { cleanups, clientOf, fetchJson, program } from "./run.suite.ts";

/** util-linux's `unshare` gives a program a PID namespace, where the kernel lets anyone make one. */
const pidNamespace = ["unshare", "--user", "--pid", "--fork", "--kill-child"];
const hasNamespaces = spawnSync("env", [...pidNamespace, "true"]).status === 0;
if (!hasNamespaces) console.warn("SKIPPED: the test as PID 1 needs `unshare` and user namespaces");

describe("signals", () => {
  test("SIGTERM under load loses nothing: every request is answered by the other pod or the leaving one", async () => {
    const [leaving, staying] = [startChild(), startChild()];
    const client = clientOf((await leaving.listening).endpoint, (await staying.listening).endpoint);
    await expect.poll(() => client.counters.available).toBe(2);
    let [next, wrong] = [0, 0];
    const total = 20_000;
    const worker = async (): Promise<void> => {
      while (next < total) {
        const body = next++;
        if (body === total / 4) leaving.process.kill("SIGTERM");
        if ((await client.call("echo", body)) !== body) wrong++;
      }
    };
    await Promise.all(Array.from({ length: 100 }, worker));
    expect([wrong, client.counters.failed, client.counters.succeeded]).toEqual([0, 0, total]);
    expect(await leaving.exit).toEqual({ code: 0, signal: null });
    expect(client.counters.available).toBe(1);
  });

  test("SIGKILL under load loses no idempotent call", async () => {
    const [dying, staying] = [startChild(), startChild()];
    const client = clientOf((await dying.listening).endpoint, (await staying.listening).endpoint);
    await expect.poll(() => client.counters.available).toBe(2);
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < 10_000) {
        const body = next++;
        if (body === 2500) dying.process.kill("SIGKILL");
        expect(await client.call("echo", body, { idempotent: true })).toBe(body);
      }
    };
    await Promise.all(Array.from({ length: 100 }, worker));
    expect(client.counters).toMatchObject({ failed: 0, succeeded: 10_000 });
  });

  test("the drain's deadline hands back what is left, in one record with the counts, and code 1", async () => {
    const child = startChild({ program: program("drainTimeoutMs: 300") });
    const client = clientOf((await child.listening).endpoint);
    const stop = new AbortController();
    const calls = ["hang", "never started"].map((body) =>
      client.call("do", body, { deadlineMs: 60_000, signal: stop.signal }).catch((error: unknown) => error),
    );
    await expect.poll(() => client.counters.calls).toBe(2);
    await expect
      .poll(async () => (await fetch(`${(await child.listening).admin}/metrics`)).text())
      .toMatch(/wherry_queue_length 1[^]*wherry_requests_in_flight 1/);
    child.process.kill("SIGTERM");
    expect(await child.exit).toEqual({ code: 1, signal: null });
    expect(child.records.filter(({ level }) => level === "error")).toMatchObject([{ refused: 1, aborted: 1 }]);
    expect(await calls[0]).toMatchObject({ code: "ABORTED", fate: "maybe-executed" });
    // Handed back as not started, it waits for another pod until its caller has enough.
    await expect.poll(() => client.counters.available).toBe(0);
    stop.abort();
    expect(await calls[1]).toMatchObject({ code: "CANCELLED", fate: "not-started" });
  });

  test("as long as it drains, its admin port says so", async () => {
    const child = startChild({ program: program("drainTimeoutMs: 600_000") });
    const { endpoint, admin } = await child.listening;
    expect(await fetchJson(`${admin}/readyz`)).toMatchObject([200, { status: "ready" }]);
    clientOf(endpoint)
      .call("do", "hang", { deadlineMs: 600_000 })
      .catch(() => undefined);
    await expect.poll(async () => (await fetch(`${admin}/metrics`)).text()).toContain("wherry_requests_in_flight 1");
    child.process.kill("SIGTERM");
    await expect.poll(async () => fetchJson(`${admin}/readyz`)).toMatchObject([503, { status: "draining" }]);
  });

  test("a second signal ends at once", async () => {
    const child = startChild({ program: program("drainTimeoutMs: 600_000") });
    const { endpoint, admin } = await child.listening;
    const client = clientOf(endpoint);
    client.call("do", "hang", { deadlineMs: 600_000 }).catch(() => undefined);
    await expect.poll(async () => (await fetch(`${admin}/metrics`)).text()).toContain("wherry_requests_in_flight 1");
    child.process.kill("SIGINT");
    await expect.poll(() => client.counters.available).toBe(0);
    child.process.kill("SIGTERM");
    expect(await child.exit).toEqual({ code: 143, signal: null });
    expect(child.records.at(-1)).toMatchObject({ level: "warn", running: 1 });
  });

  const startingProgram = (own = ""): string => `
    import { connect, run, service } from "@wherry/service";
    ${own}
    console.log(JSON.stringify({ level: "info", msg: "loading", endpoint: "", admin: "" }));
    await new Promise((resolve) => setTimeout(resolve, 60_000));
    await run(service("test", { raw: (frames) => frames }));`;

  test.each(["SIGTERM", "SIGINT"] as const)("%s while its modules load ends it as always", async (signal) => {
    const child = startChild({ program: startingProgram() });
    await child.listening;
    child.process.kill(signal);
    expect(await child.exit).toEqual({ code: null, signal });
  });

  test.skipIf(!hasNamespaces)(
    "SIGTERM while its modules load ends it even as PID 1, which has no default",
    async () => {
      const child = startChild({
        program: startingProgram(),
        as: pidNamespace,
      });
      await child.listening;
      // unshare passes no signal on: its only child is the one.
      const [pid] = readFileSync(`/proc/${child.process.pid}/task/${child.process.pid}/children`, "utf8").split(" ");
      process.kill(Number(pid), "SIGTERM");
      expect(await child.exit).toEqual({ code: 143, signal: null });
    },
  );

  test.skipIf(!hasNamespaces)("SIGTERM to PID 1 drains: what runs is answered, and the code is 0", async () => {
    const code = `import { once } from "node:events";
      import { run, service } from "@wherry/service";
      const goOn = async () => { await once(process, "SIGUSR2"); return "done"; };
      await run(service("slow", { methods: { wait: goOn } }), { drainTimeoutMs: 600_000 });`;
    const child = startChild({ program: code, as: pidNamespace });
    const client = connect("slow", { endpoints: [(await child.listening).endpoint] });
    cleanups.push(() => client.close());
    const call = client.call("wait", undefined, { deadlineMs: 600_000 });
    const { admin } = await child.listening;
    await expect.poll(async () => (await fetch(`${admin}/metrics`)).text()).toContain("wherry_requests_in_flight 1");
    const [pid] = readFileSync(`/proc/${child.process.pid}/task/${child.process.pid}/children`, "utf8").split(" ");
    process.kill(Number(pid), "SIGTERM");
    await expect.poll(() => child.records.some(({ msg }) => msg.includes("draining"))).toBe(true);
    process.kill(Number(pid), "SIGUSR2");
    expect(await call).toBe("done");
    expect(await child.exit).toEqual({ code: 0, signal: null });
    expect(child.records.at(-1)).toMatchObject({ msg: "drained; ending" });
  });

  test("a program's own handler of a signal is not in competition", async () => {
    const own = `process.on("SIGTERM", () => setTimeout(() => process.exit(7), 100));`;
    const child = startChild({ program: startingProgram(own) });
    await child.listening;
    child.process.kill("SIGTERM");
    expect(await child.exit).toEqual({ code: 7, signal: null });
  });

  test("SIGTERM before it listens is heard", async () => {
    const child = startChild({
      program: `import { run, service } from "@wherry/service";
        const running = run(service("test", { raw: (frames) => frames }));
        process.kill(process.pid, "SIGTERM");
        await running;`,
    });
    expect(await child.exit).toEqual({ code: 0, signal: null });
  });
});
