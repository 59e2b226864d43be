// Streams over HTTP while a deployment is rolled, through its Service's address: each ends with a word, none is cut short in silence, and an
// EventSource's items go on at the next pod, none twice and none missing.
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Session } from "../support/session.ts";

const session = new Session();
const folder = session.folder("feed");
const program = `import { method, run, service } from "@wherry/service";
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
await run(service("feed", { methods: {
  ticks: method({ stream: "out", endless: true, resumable: true, http: "GET /ticks", async *handler(_: undefined, { after, signal }) {
    for (let n = after + 1; !signal.aborted; n++) { yield n; await pause(5); }
  } }),
  export: method({ stream: "out", http: "GET /export", async *handler() {
    for (let n = 1; n <= 100; n++) { yield n; await pause(3); }
    return "whole";
  } }),
} }), { http: true });
`;
let url = "";

beforeAll(async () => {
  writeFileSync(join(folder, "feed.ts"), program);
  const { code, stdout, stderr } = await session.run("up", "--detach", join(folder, "feed.ts"), "--replicas", "2");
  expect(code, stdout + stderr).toBe(0);
  const { spec } = await session.get<{ spec: { clusterIP: string } }>("service", "feed");
  url = `http://${spec.clusterIP}`;
});
afterAll(() => session.close());

/** An answer's text, and whether it ended as HTTP has it. Who is not let in any more gets no answer: undefined. */
async function read(
  path: string,
  headers: Record<string, string>,
  enough: () => boolean = () => false,
): Promise<{ readonly text: string; readonly isWhole: boolean } | undefined> {
  const asked = request(`${url}${path}`, { headers, agent: false });
  asked.end();
  let response: IncomingMessage;
  try {
    [response] = (await once(asked, "response")) as [IncomingMessage];
  } catch {
    return undefined;
  }
  let text = "";
  try {
    for await (const piece of response.setEncoding("utf8")) {
      text += String(piece);
      if (enough()) return { text, isWhole: true };
    }
    return { text, isWhole: true };
  } catch {
    return { text, isWhole: false };
  }
}

test("no stream is cut short without a word, and none loses or repeats an item", async () => {
  let rolled = false;
  const isRolled = (): boolean => rolled;
  const ends: string[] = [];
  const cut: string[] = [];
  const eventSource = async (): Promise<number[]> => {
    const items: number[] = [];
    while (!isRolled()) {
      const id = items.at(-1);
      const headers = { accept: "text/event-stream", ...(id === undefined ? {} : { "last-event-id": String(id) }) };
      const got = await read("/ticks", headers, isRolled);
      if (got === undefined) continue;
      if (!got.isWhole) cut.push(got.text.slice(-200));
      items.push(...[...got.text.matchAll(/event: item\nid: \d+\ndata: (\d+)\n\n/g)].map(([, item]) => Number(item)));
      const [, code] = /event: error\ndata: \{[^\n]*"code":"(\w+)"[^\n]*\n\n$/.exec(got.text) ?? [];
      if (code !== undefined) ends.push(code);
      else if (!isRolled()) cut.push(got.text.slice(-200));
    }
    return items;
  };
  const exporting = async (): Promise<number> => {
    let whole = 0;
    while (!isRolled()) {
      const got = await read("/export", {});
      if (got === undefined) continue;
      const lines = got.text.trimEnd().split("\n");
      if (got.isWhole && lines.at(-1) === '{"done":"whole"}' && lines.length === 101) whole++;
      else cut.push(got.text.slice(-200));
    }
    return whole;
  };
  const sources = Promise.all(Array.from({ length: 4 }, eventSource));
  const exports = Promise.all(Array.from({ length: 4 }, exporting));
  await session.kubectl("rollout", "restart", "deployment/feed");
  await session.kubectl("rollout", "status", "deployment/feed", "--timeout=60s");
  rolled = true;

  for (const items of await sources) expect(items).toEqual(items.map((_item, index) => index + 1));
  for (const whole of await exports) expect(whole).toBeGreaterThan(0);
  expect(cut).toEqual([]);
  expect(ends.length).toBeGreaterThan(0);
  // Of one that ran, and of one that a leaving pod did not begin.
  for (const code of ends) expect(["ABORTED", "REFUSED"]).toContain(code);
});
