// Busy polling: the loop stays awake while there is traffic, and only then.
import "../leftovers.suite.ts";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { VirtualClock } from "@wherry/core/testing";
import { echo, expectServed, keeper, until } from "../harness.suite.ts";
import { dealer, router } from "../index.ts";
import { limits } from "../limits.ts";
import { BusyPoll, Poller } from "./busy-poll.ts";

const durationMs = 0.1;

describe("the event loop", () => {
  const clock = new VirtualClock();
  const poller = new Poller(clock);
  const socket = new BusyPoll(poller, durationMs * 1_000);
  /** Until the poller has seen what time it is. */
  const turns = async (): Promise<void> => {
    await turn();
    await turn();
  };
  const pass = async (ms: number): Promise<void> => {
    await clock.advance(ms);
    await turns();
  };
  /** Polls once with success, so that no rest is due. */
  const succeed = async (): Promise<void> => {
    // What is under way ends, and then the rest.
    await pass(limits.busyPollUsMax);
    await pass(limits.busyPollRestMsMax);
    socket.went();
    await turns();
    socket.came();
    await turns();
    expect(poller.polling).toBe(true);
  };

  it("stays awake after traffic for as long as it was told, and others have their turn", async () => {
    await succeed();
    await pass(durationMs * 0.4);
    socket.came();
    await pass(durationMs * 0.8);
    expect(poller.polling).toBe(true);
    await pass(durationMs * 0.4);
    expect(poller.polling).toBe(false);
  });

  it("stays awake for the longest that any socket asks for", async () => {
    await succeed();
    new BusyPoll(poller, durationMs * 5_000).went();
    await turns();
    socket.went();
    await pass(durationMs * 4);
    expect(poller.polling).toBe(true);
    await pass(durationMs * 2);
    expect(poller.polling).toBe(false);
  });

  it("sleeps longer and longer where polling was in vain, and again as ever once it was not", async () => {
    await succeed();
    await pass(durationMs);
    const rest = async (): Promise<number> => {
      let ms = 0;
      for (; !poller.polling; ms++) {
        await pass(1);
        socket.went();
      }
      await turns();
      return ms;
    };
    const inVain: number[] = [];
    for (let times = 0; times < 9; times++) {
      inVain.push(await rest());
      await pass(durationMs);
      expect(poller.polling).toBe(false);
    }
    expect(inVain).toEqual([1, 2, 4, 8, 16, 32, 64, 100, 100]);
    await rest();
    socket.came();
    await turns();
    await pass(durationMs);
    expect(await rest()).toBe(1);
  });

  it("sleeps when a turn was held up: others need the processor", async () => {
    await succeed();
    await clock.advance(limits.busyPollHeldUpMs * 1.5);
    socket.came();
    expect(poller.polling).toBe(false);
    socket.went();
    expect(poller.polling).toBe(false);
    await pass(limits.busyPollRestMsFirst);
    socket.went();
    expect(poller.polling).toBe(true);
  });

  it("does not take the handlers' own work for that", async () => {
    await succeed();
    socket.came();
    await clock.advance(limits.busyPollHeldUpMs * 1.5, 0);
    socket.came();
    expect(poller.polling).toBe(true);
    await pass(1);
  });
});

describe("sockets that poll", () => {
  const keep = keeper();
  const awake = (): boolean => process.getActiveResourcesInfo().includes("Immediate");

  it("talk as others do, and let the loop sleep when all is said", async () => {
    const server = keep(router({ busyPollUs: limits.busyPollUsMax }));
    const client = keep(dealer({ busyPollUs: limits.busyPollUsMax }));
    echo(server);
    client.connect(await server.bind("tcp://127.0.0.1:*"));
    await client.writable();
    let [sent, got] = [0, 0];
    client.onMessages((messages) => {
      got += messages.length;
      return undefined;
    });
    // Not with the first: while code is cold it looks as if others needed the processor.
    await until(() => client.send(`${++sent}`) === "sent" && awake());
    await until(() => got === sent);
    client.onMessages(undefined);
    for (let number = 0; number < 100; number++) await expectServed(client, `${number}`);
    await until(() => !awake());
  });

  it("refuse a time that would be for ever, or none", () => {
    for (const busyPollUs of [-1, NaN, limits.busyPollUsMax + 1, Infinity])
      expect(() => dealer({ busyPollUs })).toThrow(/busyPollUs: expected a number from 0 to 10000/);
  });
});
