// `busyPollUs` on both sides of a service: it reaches their sockets, whose own tests say what it does.
import { expect, test } from "vitest";
import { connect } from "../client/connect.ts";
import { busyPollUsMax } from "../limits.ts";
import { service } from "../define.ts";
import { serve } from "./serve.ts";

const echo = service("echo", { methods: { echo: (body: string) => body } });
const awake = (): boolean => process.getActiveResourcesInfo().includes("Immediate");

test.each([
  [0, busyPollUsMax],
  [busyPollUsMax, 0],
])(
  "a service with %s and a client with %s: the event loop stays awake between calls, and sleeps after them",
  async (ofService, ofClient) => {
    const { endpoint, server } = await serve(echo, { busyPollUs: ofService });
    const client = connect<typeof echo>("echo", { endpoints: [endpoint], busyPollUs: ofClient });
    // Not with the first: while code is cold it looks as if others needed the processor.
    await expect.poll(async () => [await client.echo("hello"), awake()], { interval: 1 }).toEqual(["hello", true]);
    await expect.poll(awake).toBe(false);
    await client.close();
    await server.close();
  },
);

test("a time that would be for ever is refused at once", () => {
  expect(() => connect("echo", { endpoints: ["tcp://127.0.0.1:1"], busyPollUs: Infinity })).toThrow(
    expect.objectContaining({ code: "SERVICE_OPTION_INVALID" }),
  );
});
