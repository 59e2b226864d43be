// Streams over HTTP that break off and go on: what an EventSource gets when its pod is stopped, or killed, under it. Real processes.
import { type IncomingMessage, request as httpRequest } from "node:http";
import { once } from "node:events";
import { afterEach, describe, expect, test } from "vitest";
import { method, service } from "../define.ts";
import { type Child, startChild, stopChildren } from "../testing/child.ts";

const program = (drainTimeoutMs: number): string => `
  import { method, run, service } from "@wherry/service";
  const until = (signal, ms) => new Promise((resolve) => { const timer = setTimeout(resolve, ms); signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }); });
  await run(service("feed", { methods: {
    ticks: method({ stream: "out", endless: true, resumable: true, http: "GET /ticks", async *handler(_, { after, signal }) {
      for (let n = after + 1; ; n++) { yield n; await until(signal, 5); }
    } }),
    anew: method({ stream: "out", endless: true, http: "GET /anew", async *handler(_, { after, signal }) {
      for (let n = after + 1; ; n++) { yield n; await until(signal, 5); }
    } }),
    export: method({ stream: "out", http: "GET /export", async *handler() {
      for (let n = 1; n <= 200; n++) { yield n; await new Promise((resolve) => setTimeout(resolve, 2)); }
      return "whole";
    } }),
    stubborn: method({ stream: "out", http: "GET /stubborn", async *handler(_, { signal }) {
      for (let n = 1; ; n++) { yield n; await until(signal, 5); }
    } }),
  } }), { drainTimeoutMs: ${drainTimeoutMs}, http: { port: 0 } });`;

afterEach(stopChildren);

interface Pod extends Pick<Child, "process" | "exit"> {
  readonly url: string;
}

/** Unless said otherwise, it drains longer than any machine takes. */
async function pod(drainTimeoutMs = 60_000): Promise<Pod> {
  const child = startChild({ program: program(drainTimeoutMs) });
  await child.listening;
  const url = child.records.map((record) => record["http"]).find((found) => typeof found === "string");
  if (typeof url !== "string") throw new Error(`no HTTP address in ${JSON.stringify(child.records)}`);
  return { process: child.process, exit: child.exit, url };
}

interface Reading {
  text: string;
  readonly response: IncomingMessage;
  /** `whole`: the answer ended as HTTP has it. `cut`: the connection broke in the midst of it. */
  readonly ended: Promise<"whole" | "cut">;
}

async function read(url: string, headers: Record<string, string> = {}): Promise<Reading> {
  const request = httpRequest(url, { headers, agent: false }).on("error", () => undefined);
  request.end();
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const ended = Promise.withResolvers<"whole" | "cut">();
  const reading = { text: "", response, ended: ended.promise };
  response.setEncoding("utf8").on("data", (text: string) => (reading.text += text));
  response.on("end", () => ended.resolve("whole")).on("error", () => ended.resolve("cut"));
  return reading;
}

const sse = { accept: "text/event-stream" };
const linesOf = ({ text }: Reading): Record<string, unknown>[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
/** Ids and data of a stream's items, as an EventSource keeps them. */
const itemsOf = ({ text }: Reading): [string, string][] =>
  [...text.matchAll(/event: item\nid: (\d+)\ndata: (\d+)\n\n/g)].map(([, id = "", data = ""]) => [id, data]);

describe("when its pod is stopped", () => {
  const told = { code: "ABORTED", retryable: true };

  test("each stream ends with a word: endless ones are told to come again, others end by themselves", async () => {
    const { process: leaving, exit, url } = await pod();
    const [ticks, events, whole] = await Promise.all([
      read(`${url}/ticks`),
      read(`${url}/ticks`, sse),
      read(`${url}/export`),
    ]);
    const all = [ticks, events, whole];
    for (const reading of all) await expect.poll(() => reading.text.length).toBeGreaterThan(60);
    leaving.kill("SIGTERM");
    expect(await Promise.all(all.map(({ ended }) => ended))).toEqual(["whole", "whole", "whole"]);
    await exit;

    const lines = linesOf(ticks);
    expect(lines.at(-1)).toMatchObject({ error: told });
    expect(lines.slice(0, -1)).toEqual(lines.slice(0, -1).map((_line, index) => ({ item: index + 1 })));
    // No id: an EventSource keeps that of its last item, and comes again.
    expect(events.text).toMatch(/event: error\ndata: \{[^\n]*"code":"ABORTED"[^\n]*\n\n$/);
    expect(linesOf(whole)).toHaveLength(201);
    expect(linesOf(whole).at(-1)).toEqual({ done: "whole" });
  });

  test("who takes too long is told that, at the drain's deadline", async () => {
    const { process: leaving, exit, url } = await pod(300);
    const stubborn = await read(`${url}/stubborn`);
    await expect.poll(() => stubborn.text.length).toBeGreaterThan(60);
    leaving.kill("SIGTERM");
    expect(await stubborn.ended).toBe("whole");
    await exit;
    expect(linesOf(stubborn).at(-1)).toMatchObject({ error: told });
  });

  test("an EventSource goes on at another pod with the next item, nothing twice and nothing missed", async () => {
    const [first, second] = [await pod(), await pod()];
    const before = await read(`${first.url}/ticks`, sse);
    await expect.poll(() => itemsOf(before).length).toBeGreaterThan(3);
    first.process.kill("SIGTERM");
    await before.ended;
    const last = itemsOf(before).at(-1)?.[0] ?? "";
    const after = await read(`${second.url}/ticks`, { ...sse, "last-event-id": last });
    await expect.poll(() => itemsOf(after).length).toBeGreaterThan(3);
    const all = [...itemsOf(before), ...itemsOf(after)];
    expect(all).toEqual(all.map((_item, index) => [String(index + 1), String(index + 1)]));
    // One that is not resumable is told nothing, and begins anew.
    const anew = await read(`${second.url}/anew`, { ...sse, "last-event-id": last });
    await expect.poll(() => itemsOf(anew)[0]).toEqual(["1", "1"]);
    for (const { response } of [after, anew]) response.destroy();
  });
});

test("when its pod is killed, a reader sees that the answer was cut off", async () => {
  const { process: killed, url } = await pod();
  const readings = await Promise.all([read(`${url}/ticks`), read(`${url}/ticks`, sse), read(`${url}/stubborn`)]);
  for (const reading of readings) await expect.poll(() => reading.text.length).toBeGreaterThan(60);
  killed.kill("SIGKILL");
  expect(await Promise.all(readings.map(({ ended }) => ended))).toEqual(["cut", "cut", "cut"]);
  for (const { text } of readings) expect(text).not.toMatch(/done|error/);
});

test("only a stream that goes out can be resumable", () => {
  const upload = method({ stream: "in", resumable: true, handler: () => 0 });
  expect(() => service("feed", { methods: { upload } })).toThrow(/methods.upload.resumable: expected a stream `out`/);
});

test.each(["", "-1", "one", "end?", "1e3", "9".repeat(20)])("an id that is no place, %j, begins anew", async (id) => {
  const { url } = await pod();
  const reading = await read(`${url}/ticks`, { ...sse, "last-event-id": id });
  await expect.poll(() => itemsOf(reading)[0]).toEqual(["1", "1"]);
  reading.response.destroy();
});
