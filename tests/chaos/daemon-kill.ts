// Kills the daemon with -9 at random moments, again and again, while objects are written, deployments roll and pods come and
// go; then looks for what was lost. Run: `node tests/chaos/daemon-kill.ts --rounds 20 --seed 1`. Prints its seed, each
// finding, and one summary line; exit code 1 if anything was lost. Needs Linux. It never touches a cluster but its own.
import { readdirSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { setTimeout as pause } from "node:timers/promises";
import { SeededRandom } from "@wherry/core/testing";
import { type Deployment, type Pod, resources, type Stored } from "@wherry/kube";
import { clusterPaths, runningDaemon } from "@wherry/cluster/state";
import { createClient, httpTransport, type KubeClient, loadKubeconfig } from "@wherry/kube/client";
import { Session } from "../support/session.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "20" }, seed: { type: "string" }, verbose: { type: "boolean" } },
});
const rounds = Number(values.rounds);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const random = new SeededRandom(seed);
/** The longest that a daemon lives after a round's action was begun. */
const lifeMsMax = 1_200;
const settleMsMax = 60_000;

const session = new Session();
const findings: string[] = [];
const below = (limit: number): number => Math.floor(random.next() * limit);
const say = (text: string): void => {
  if (values.verbose === true) console.log(text);
};
const found = (round: number, text: string): void => {
  findings.push(`round ${round}: ${text}`);
  console.log(`LOST in round ${round} of seed ${seed}: ${text}`);
};

/** One container's processes, as /proc tells: what it runs, not its supervisor. */
interface Running {
  readonly uid: string;
  readonly container: string;
  readonly pid: number;
}

/** Marked with the container's id by the runtime; a supervisor is a shell that leads its session. */
function running(): Running[] {
  const all: Running[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const environ = readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
      if (!environ.some((line) => line.startsWith("WHERRY_SERVICEACCOUNT_DIR=") && line.includes(session.home)))
        continue;
      const container = environ.find((line) => line.startsWith("WHERRY_CONTAINER="))?.slice(17) ?? "";
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      const [, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (group !== pid) all.push({ uid: container.split("/")[0] ?? "", container, pid: Number(pid) });
    } catch {
      // It ended meanwhile.
    }
  }
  return all;
}

async function connect(): Promise<KubeClient> {
  return createClient(httpTransport(await loadKubeconfig(session.kubeconfig)));
}

const daemonPid = (): number | undefined => runningDaemon(clusterPaths(session.home, "default"))?.pid;

async function up(): Promise<void> {
  const { code, stdout, stderr } = await session.run("up", "--detach");
  if (code !== 0) throw new Error(`wherry up: exit code ${code}\n${stdout}${stderr}`);
}

/** Writes without a break until told to end; remembers what was acknowledged, and only that. */
class Writer {
  readonly acknowledged = new Map<string, string>();
  readonly deleted = new Set<string>();
  writes = 0;
  #ended = false;
  #done: Promise<void> = Promise.resolve();

  start(client: KubeClient, round: number): void {
    this.#ended = false;
    this.#done = Promise.all([0, 1, 2, 3].map((lane) => this.#write(client, `w-${round}-${lane}`))).then(
      () => undefined,
    );
  }

  async end(): Promise<void> {
    this.#ended = true;
    await this.#done;
  }

  async #write(client: KubeClient, prefix: string): Promise<void> {
    for (let count = 0; !this.#ended; count++) {
      const name = `${prefix}-${count >> 2}`;
      const target = { name, namespace: "default" };
      try {
        if (count % 4 === 0)
          await client.create(resources.configmaps, { metadata: target, data: { value: String(count) } });
        else if (count % 8 === 3) {
          this.acknowledged.delete(name);
          await client.delete(resources.configmaps, target);
          this.deleted.add(name);
          this.writes++;
          continue;
        } else await client.patch(resources.configmaps, target, "merge", { data: { value: String(count) } });
        this.acknowledged.set(name, String(count));
        this.writes++;
      } catch {
        return; // The daemon is dead: nobody knows of this one, and it may be there or not.
      }
    }
  }
}

type Action = (client: KubeClient) => Promise<void>;

const bare = (name: string): Pod => ({
  metadata: { name, namespace: "default" },
  spec: {
    terminationGracePeriodSeconds: 1,
    containers: [{ name: "main", image: "busybox", command: ["sleep", "1000"] }],
  },
});

async function pods(client: KubeClient): Promise<readonly Stored<Pod>[]> {
  return (await client.list(resources.pods, { namespace: "default" })).items;
}

let bareCount = 0;
const actions: Readonly<Record<string, Action>> = {
  nothing: () => Promise.resolve(),
  scale: async (client) => {
    const spec = { replicas: 1 + below(6) };
    await client.patch(resources.deployments, { name: "echo", namespace: "default" }, "merge", { spec });
  },
  roll: async (client) => {
    const spec = { template: { metadata: { annotations: { rolled: String(below(1e9)) } } } };
    await client.patch(resources.deployments, { name: "echo", namespace: "default" }, "merge", { spec });
  },
  "delete a pod": async (client) => {
    const all = await pods(client);
    const pod = all[below(all.length)];
    if (pod !== undefined) await client.delete(resources.pods, { name: pod.metadata.name, namespace: "default" });
  },
  "create a bare pod": async (client) => {
    await client.create(resources.pods, bare(`bare-${bareCount++}`));
  },
  "kill a process": () => {
    const all = running();
    const victim = all[below(all.length)];
    if (victim !== undefined) process.kill(victim.pid, "SIGKILL");
    return Promise.resolve();
  },
};

const live = (pod: Stored<Pod>): boolean => pod.metadata.deletionTimestamp === undefined;
const isReady = (pod: Stored<Pod>): boolean =>
  pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
const restarts = (pod: Stored<Pod>): number => pod.status?.containerStatuses?.[0]?.restartCount ?? 0;

/** Undefined when the cluster is what it should be; else what is not yet so. */
async function unsettled(client: KubeClient): Promise<string | undefined> {
  const deployment: Stored<Deployment> = await client.get(resources.deployments, "echo", "default");
  const want = deployment.spec?.replicas ?? 0;
  const { status, metadata } = deployment;
  if (status?.observedGeneration !== metadata.generation) return "the deployment was not looked at";
  if (status?.updatedReplicas !== want || status.readyReplicas !== want || status.replicas !== want)
    return `deployment: want ${want}, status ${JSON.stringify(status)}`;
  const all = await pods(client);
  const ending = all.filter((pod) => !live(pod));
  if (ending.length > 0) return `still ending: ${ending.map(({ metadata: { name } }) => name).join(" ")}`;
  const waiting = all.filter((pod) => !isReady(pod));
  if (waiting.length > 0)
    return `not ready: ${waiting.map((pod) => `${pod.metadata.name} ${JSON.stringify(pod.status?.containerStatuses?.[0]?.state)}`).join(" ")}`;
  const processes = running();
  const uids = new Set(all.map(({ metadata: { uid } }) => uid));
  const orphans = processes.filter(({ uid }) => !uids.has(uid));
  if (orphans.length > 0) return `orphans: ${orphans.map(({ pid, container }) => `${pid} ${container}`).join(" ")}`;
  for (const pod of all) {
    const count = processes.filter(({ uid }) => uid === pod.metadata.uid).length;
    if (count !== 1) return `${pod.metadata.name} has ${count} processes`;
  }
  const { items } = await client.list(resources.endpointslices, { namespace: "default" });
  const ready = items
    .filter((slice) => slice.metadata.labels?.["kubernetes.io/service-name"] === "echo")
    .flatMap((slice) => slice.endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready === true);
  if (ready.length !== want) return `the slice lists ${ready.length} of ${want} pods`;
  return undefined;
}

async function settle(client: KubeClient, round: number): Promise<void> {
  const untilMs = performance.now() + settleMsMax;
  for (;;) {
    const what = await unsettled(client);
    if (what === undefined) return;
    if (performance.now() > untilMs) {
      found(round, `did not settle within ${settleMsMax / 1000} s: ${what}`);
      return;
    }
    await pause(100);
  }
}

async function checkWrites(client: KubeClient, writer: Writer, round: number): Promise<void> {
  const { items } = await client.list(resources.configmaps, { namespace: "default" });
  const stored = new Map(items.map((item) => [item.metadata.name, item.data?.["value"] ?? ""]));
  for (const [name, value] of writer.acknowledged) {
    const now = stored.get(name);
    // One more write of the same object may have been under way when the daemon died.
    if (now === undefined ? Number(value) % 8 !== 2 : Number(now) < Number(value))
      found(round, `configmap ${name}: ${value} was acknowledged, ${now ?? "nothing"} is there`);
  }
  for (const name of writer.deleted)
    if (stored.has(name)) found(round, `configmap ${name}: its deletion was acknowledged`);
}

/** Kills the next daemon too, while it starts. */
async function killWhileStarting(): Promise<void> {
  const starting = session.run("up", "--detach");
  const before = daemonPid();
  await pause(below(600));
  for (let tries = 0; tries < 100 && daemonPid() === before; tries++) await pause(5);
  const pid = daemonPid();
  if (pid !== undefined && pid !== before) {
    await pause(below(300));
    kill(pid);
  }
  await starting;
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It was faster.
  }
}

async function round(number: number, writer: Writer): Promise<void> {
  let client = await connect();
  await settle(client, number);
  const before = await pods(client);
  const processesBefore = running();
  const names = Object.keys(actions);
  const name = names[below(names.length)] ?? "nothing";
  const lifeMs = below(lifeMsMax);
  const twice = random.next() < 0.3;
  say(`round ${number}: ${name}, killed after ${lifeMs} ms${twice ? ", and once more while it starts" : ""}`);
  writer.start(client, number);
  const acting = actions[name]?.(client).catch(() => undefined);
  await pause(lifeMs);
  kill(daemonPid() ?? 0);
  await Promise.all([acting, writer.end()]);
  if (twice) await killWhileStarting();
  await up();
  client = await connect();
  await checkWrites(client, writer, number);
  await settle(client, number);
  const after = new Map((await pods(client)).map((pod) => [pod.metadata.uid, pod]));
  const processesAfter = running();
  if (name === "kill a process") return;
  for (const pod of before) {
    const now = after.get(pod.metadata.uid);
    if (now === undefined) {
      if (name === "nothing") found(number, `pod ${pod.metadata.name} is gone, and nobody deleted it`);
      continue;
    }
    const pidOf = (all: readonly Running[]): number | undefined => all.find(({ uid }) => uid === pod.metadata.uid)?.pid;
    if (pidOf(processesAfter) !== pidOf(processesBefore))
      found(
        number,
        `pod ${pod.metadata.name} was not adopted: pid ${pidOf(processesBefore)}, now ${pidOf(processesAfter)}`,
      );
    if (restarts(now) !== restarts(pod))
      found(number, `pod ${pod.metadata.name} counts ${restarts(now)} restarts, had ${restarts(pod)}`);
  }
}

console.log(`seed ${seed}, ${rounds} rounds`);
const writer = new Writer();
let done = 0;
try {
  const { code, stdout, stderr } = await session.run("up", "examples/echo", "--replicas", "3", "--detach");
  if (code !== 0) throw new Error(`wherry up: exit code ${code}\n${stdout}${stderr}`);
  for (; done < rounds; done++) await round(done + 1, writer);
} catch (error) {
  found(done + 1, String(error));
} finally {
  await session.run("down", "--purge");
  const left = running();
  if (left.length > 0) found(done, `left running after "wherry down": ${left.map(({ pid }) => pid).join(" ")}`);
  await session.close();
}
console.log(
  `${findings.length === 0 ? "nothing was lost" : `${findings.length} findings`}: seed ${seed}, ${done} daemon kills, ${writer.writes} acknowledged writes`,
);
process.exitCode = findings.length === 0 ? 0 : 1;
