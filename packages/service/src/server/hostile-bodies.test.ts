// Bodies that are made to end the process that takes them: nested without end, or quoted at length in the error that refuses them.
import { silentLogger } from "@wherry/core";
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { connect } from "../client/connect.ts";
import type { Client } from "../client/types.ts";
import { ServiceError } from "../errors.ts";
import { bodyBytesMax, bodyDepthMax, errorMessageCharactersMax } from "../limits.ts";
import { method, service } from "../define.ts";
import type { Ending } from "./hand-back.ts";
import { serve } from "./serve.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const lists: z.ZodType = z.lazy(() => z.array(lists));
const victim = service("victim", {
  methods: {
    echo: method({ handler: (body: unknown) => body, http: ["POST /echo", "POST /echo/{name}"] }),
    lists: method({ input: lists, handler: () => "taken" }),
    strict: method({ input: z.strictObject({}), handler: () => "taken" }),
    quotes: (body: string) => {
      throw new ServiceError("UNHEARD_OF", `expected something else, got ${body}`);
    },
    details: (body: string) => {
      throw new ServiceError("UNHEARD_OF", "no", { details: { body, twice: body } });
    },
    last: method({
      stream: "in",
      handler: async (items: AsyncIterableIterator<unknown>) => {
        let last: unknown;
        for await (const item of items) last = item;
        return last;
      },
    }),
  },
});

async function start(): Promise<{ client: Client; url: string; crashes: Ending[] }> {
  const crashes: Ending[] = [];
  const onCrash = (ending: Ending): unknown => crashes.push(ending);
  const { server, endpoint, httpUrl = "" } = await serve(victim, { http: {}, log: silentLogger, onCrash });
  closing.push(() => server.close());
  const client = connect("victim", { endpoints: [endpoint] });
  closing.push(() => client.close());
  return { client, url: httpUrl, crashes };
}

const nested = (levels: number): unknown => {
  let value: unknown = [];
  for (let level = 1; level < levels; level++) value = [value];
  return value;
};
const nestedText = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
const post = (body: string): RequestInit => ({ method: "POST", headers: { "content-type": "application/json" }, body });

describe("a body that is nested too deeply is INVALID, and ends no pod", () => {
  test("over ZeroMQ, in a request and as a stream's item; at the limit it is taken", async () => {
    const { client, crashes } = await start();
    const invalid = { code: "INVALID", message: expect.stringContaining(`at most ${bodyDepthMax} levels`) };
    for (const name of ["echo", "lists"]) {
      await expect(client.call(name, nested(bodyDepthMax + 1))).rejects.toMatchObject(invalid);
      await client.call(name, nested(bodyDepthMax));
    }
    const items = [1, nested(bodyDepthMax + 1), 3, 4];
    await expect(client.stream("last", items).result).rejects.toMatchObject(invalid);
    expect(await client.stream("last", [1, nested(bodyDepthMax)]).result).toEqual(nested(bodyDepthMax));
    expect(crashes).toEqual([]);
  });

  test("over HTTP, where parameters in the address once made it be written anew before anything was checked", async () => {
    const { url, crashes } = await start();
    for (const path of ["/echo", "/lists", "/strict"])
      expect((await fetch(`${url}${path}`, post(nestedText(100_000)))).status).toBe(400);
    for (const path of ["/echo?a=1", "/echo/name"])
      expect((await fetch(`${url}${path}`, post(`{"b":${nestedText(100_000)}}`))).status).toBe(400);
    expect(await (await fetch(`${url}/echo`, post("1"))).json()).toBe(1);
    expect(crashes).toEqual([]);
  });
});

describe("an error that quotes the body is cut, and ends no pod", () => {
  // Each of its characters is six in JSON: what quotes it is larger than a message may be.
  const long = "\u0001".repeat(1_300_000);

  test("from a schema", async () => {
    const { client, crashes } = await start();
    const refused: unknown = await client.call("strict", { [long]: 1 }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "INVALID", message: expect.stringContaining("Unrecognized key") });
    expect((refused as ServiceError).message.length).toBeLessThan(errorMessageCharactersMax);
    expect(crashes).toEqual([]);
  });

  test("from a handler: the message is cut, details that cannot travel are TOO_LARGE", async () => {
    const { client, crashes } = await start();
    const quoted: unknown = await client.call("quotes", long).catch((error: unknown) => error);
    expect(quoted).toMatchObject({
      code: "UNHEARD_OF",
      message: expect.stringMatching(/^expected something else, got/),
    });
    expect((quoted as ServiceError).message).toHaveLength(errorMessageCharactersMax + 1);
    await expect(client.call("details", "x".repeat(bodyBytesMax / 2))).rejects.toMatchObject({
      code: "TOO_LARGE",
      fate: "answered",
    });
    expect(await client.call("echo", 1)).toBe(1);
    expect(crashes).toEqual([]);
  });
});
