// What befalls a service in its life, one scenario each: the acceptance list of "no request is lost". A scenario acts on the world
// while callers load it, and says how bad what it did was; books.ts then knows what may have failed.
import { connect as connectTcp } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import type { Random } from "@wherry/core";
import { connect } from "@wherry/service";
import { dealer } from "@wherry/zmtp";
import { resources } from "@wherry/kube";
import type { Severity } from "./types.ts";
import { until, type World } from "./world.ts";

export interface Scenario {
  readonly name: string;
  readonly severity: Severity;
  /** @param brief a short form for the tests; the mixed run takes the long one. */
  readonly act: (world: World, random: Random, brief: boolean) => Promise<void>;
}

let marks = 0;
const nextMark = (): string => `${process.pid}-${++marks}`;

function pick<T>(items: readonly T[], random: Random): T {
  const item = items[random.below(items.length)];
  if (item === undefined) throw new Error("there is nothing to choose from");
  return item;
}

async function anyPod(world: World, random: Random): Promise<string> {
  await until("a pod runs", () => world.processes().size > 0);
  return pick([...world.processes().keys()], random);
}

export const scenarios: readonly Scenario[] = [
  {
    name: "rolling update",
    severity: "planned",
    act: async (world, _random, brief) => {
      for (let round = 0; round < (brief ? 2 : 1); round++) {
        await world.restart(nextMark());
        await world.settled();
      }
    },
  },
  {
    name: "scale down and up",
    severity: "planned",
    act: async (world, _random, brief) => {
      await world.scale(brief ? 6 : 10);
      await world.settled();
      await world.scale(1);
      await world.settled();
      await world.scale(3);
      await world.settled();
    },
  },
  {
    name: "SIGKILL",
    severity: "death",
    act: async (world, random) => {
      for (let round = 0; round < 3; round++) {
        world.signal(await anyPod(world, random), "SIGKILL");
        await pause(random.below(300));
      }
      await world.settled();
    },
  },
  {
    name: "SIGSTOP for less than a deadline",
    severity: "planned",
    act: async (world, random) => {
      const pod = await anyPod(world, random);
      const pid = world.processes().get(pod);
      if (pid === undefined) return;
      world.signalPid(pid, "SIGSTOP");
      await pause(1_500 + random.below(1_000));
      world.signalPid(pid, "SIGCONT");
    },
  },
  {
    name: "blocked event loop",
    severity: "stall",
    act: async (_world, _random, brief) => {
      await using client = connect("ledger", { deadlineMs: 30_000 });
      await client.call("block", { id: `block-${nextMark()}`, ms: brief ? 3_000 : 10_000 });
    },
  },
  {
    name: "SIGTERM during start-up",
    severity: "planned",
    act: async (world, random) => {
      await world.scale(5);
      for (let round = 0; round < 3; round++) {
        await pause(random.below(250));
        const young = (await world.pods()).filter((pod) => pod.status?.phase === "Pending" || !isReady(pod));
        const [pod] = young;
        if (pod !== undefined) await world.deletePod(pod.metadata.name);
      }
      await world.settled();
      await world.scale(3);
      await world.settled();
    },
  },
  {
    name: "rolling update under npm start",
    severity: "planned",
    act: async (world, _random, brief) => {
      // npm and a shell stand between the kubelet's signal and the service.
      await world.setCommand(world.npmStart());
      await world.settled();
      await world.restart(nextMark());
      await world.settled();
      if (brief) return;
      await world.setCommand();
      await world.settled();
    },
  },
  {
    name: "second SIGTERM",
    severity: "death",
    act: async (world, random) => {
      const pod = await anyPod(world, random);
      world.signal(pod, "SIGTERM");
      await pause(20);
      world.signal(pod, "SIGTERM");
      await world.settled();
    },
  },
  {
    name: "pings while pods drain",
    severity: "planned",
    act: async (world) => {
      // A long request keeps its pod's drain open over several pings.
      await using client = connect("ledger", { deadlineMs: 20_000 });
      const long = client.call("plain", { id: `long-${nextMark()}`, ms: 3_000 });
      await pause(300);
      await world.restart(nextMark());
      await long;
      await world.settled();
    },
  },
  {
    name: "a client that never says BYE",
    severity: "planned",
    act: async (world) => {
      const addresses = (await world.pods()).map((pod) => pod.status?.podIP ?? "");
      // A connection that says HELLO, by hand, and then nothing any more.
      const silent = addresses.map((address) => {
        const socket = dealer({ reconnect: { attemptsMax: 1 } });
        socket.on("connect", () => socket.send(Buffer.concat([hello, Buffer.from("\u0006silent", "latin1")])));
        socket.connect(`tcp://${address}:5555`);
        return socket;
      });
      await world.restart(nextMark());
      await world.settled();
      await Promise.all(silent.map((socket) => socket.close({ lingerMs: 0 })));
    },
  },
  {
    name: "keep-alive HTTP clients",
    severity: "planned",
    act: async (world) => {
      const { spec } = await world.client.get(resources.services, "ledger", "default");
      const clients = new HttpClients(`http://${spec?.clusterIP ?? ""}:8080/plain`, 4);
      await world.restart(nextMark());
      await world.settled();
      const failures = await clients.stop();
      if (failures.length > 0) throw new Error(`${failures.length} HTTP requests failed: ${failures.join("; ")}`);
    },
  },
  {
    name: "the watch is cut",
    severity: "planned",
    act: async (world, random, brief) => {
      // The daemon stands still: no EndpointSlice changes, nobody is told anything; pods and connections live on.
      const pid = world.daemonPid;
      world.signalPid(pid, "SIGSTOP");
      await pause(brief ? 2_000 : 20_000 + random.below(40_000));
      world.signalPid(pid, "SIGCONT");
    },
  },
  {
    name: "the daemon is killed, and a pod while nobody watches",
    severity: "death",
    act: async (world, random) => {
      world.signalPid(world.daemonPid, "SIGKILL");
      await pause(300);
      world.signal(await anyPod(world, random), "SIGKILL");
      await pause(500);
      await world.upAgain();
      await world.settled();
    },
  },
  {
    name: "a slow reader",
    severity: "planned",
    act: async (world, random) => {
      const pod = pick(
        (await world.pods()).filter((candidate) => isReady(candidate)),
        random,
      );
      const greedy = connectTcp(5555, pod.status?.podIP ?? "");
      greedy.on("error", () => undefined);
      // Half a greeting, then silence; and a protocol peer that asks for much and takes nothing.
      greedy.write(Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3]));
      const socket = dealer({ receiveQueueMessagesMax: 1, receiveQueueBytesMax: 1 });
      socket.on("connect", () => {
        socket.send(Buffer.concat([hello, Buffer.from("\u0004slow", "latin1")]));
        for (let id = 1; id <= 100; id++) socket.send(largeRequest(id));
      });
      socket.connect(`tcp://${pod.status?.podIP ?? ""}:5555`);
      await pause(1_500);
      greedy.destroy();
      await socket.close({ lingerMs: 0 });
    },
  },
  {
    name: "ten times the capacity",
    severity: "stall",
    act: async (world, random, brief) => {
      const burst = Array.from({ length: 3 }, (_, index) =>
        world.startCaller({
          seed: random.below(1_000_000) + index,
          concurrency: 300,
          deadlineMs: 2_000,
          workMsMax: 5,
          newcomerEveryMs: 0,
        }),
      );
      const callers = await Promise.all(burst);
      await pause(brief ? 2_000 : 10_000);
      await Promise.all(callers.map((caller) => caller.stop()));
    },
  },
  {
    name: "a bug in a handler",
    severity: "death",
    act: async (world) => {
      await using client = connect("ledger");
      const failure = await client.call("bug", { id: `bug-${nextMark()}`, ms: 0 }).catch((error: unknown) => error);
      if (!(failure instanceof Error) || !("code" in failure) || failure.code !== "ABORTED")
        throw new Error(`a call that crashed its pod: expected ABORTED, got ${String(failure)}`);
      await until("one fatal record is in a pod's log", async () => {
        const logs = await world.session.kubectl("logs", "-l", "app=ledger", "--prefix", "--tail=-1").catch(() => "");
        const before = await world.session.run("logs");
        return /"level":"fatal".*a bug in the handler/.test(`${logs}\n${before.stdout}`);
      });
      await world.settled();
    },
  },
  {
    name: "addresses that other pods take over",
    severity: "planned",
    act: async (world) => {
      const name = `other-${nextMark()}`;
      const pod = {
        metadata: { name, namespace: "default", labels: { app: "other" } },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [{ name: "other", image: "busybox", command: ["sleep", "1000"] }],
        },
      };
      await world.scale(4);
      await world.settled();
      await world.scale(3);
      await world.client.create(resources.pods, pod);
      await world.settled();
      await world.deletePod(name);
    },
  },
];

function isReady(pod: {
  readonly status?: { readonly conditions?: readonly { type: string; status: string }[] };
}): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}

/** Ask without a break over connections that they keep. */
class HttpClients {
  #stopping = false;
  readonly #failures: string[] = [];
  readonly #lanes: Promise<unknown>;

  constructor(url: string, count: number) {
    this.#lanes = Promise.all(Array.from({ length: count }, () => this.#lane(url)));
  }

  async stop(): Promise<readonly string[]> {
    this.#stopping = true;
    await this.#lanes;
    return this.#failures;
  }

  async #lane(url: string): Promise<void> {
    while (!this.#stopping) {
      const body = JSON.stringify({ id: `http-${nextMark()}`, ms: 2 });
      try {
        const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
        const text = await answer.text();
        if (answer.status !== 200) this.#failures.push(`${answer.status} ${text}`);
      } catch (error) {
        this.#failures.push(`${String(error)} ${String((error as Error).cause)}`);
      }
    }
  }
}

/** The fixed part of a header (docs/reference/protocol.md). */
const header = (type: number, content: number, id: number, number: number): Buffer => {
  const bytes = Buffer.alloc(16);
  bytes.set([0xf5, 0x57, 0x52, 0x59, 1, type, content, 1]);
  bytes.writeUInt32BE(id, 8);
  bytes.writeUInt32BE(number, 12);
  return bytes;
};

const hello = Buffer.from(header(1, 0, 0, 0).fill(0, 7, 8));

function largeRequest(id: number): Uint8Array[] {
  const texts = Buffer.from("\u0005large\u0000\u0000", "latin1");
  return [Buffer.concat([header(3, 1, id, 5_000), texts]), Buffer.from(JSON.stringify({ bytes: 1_000_000 }))];
}
