// What can be wrong with a machine, before and while Wherry runs on it: each check says what it found, and what to do. They look; they
// change and start nothing. What of the machine they need is handed in.
import { dirname } from "node:path";
import { cliLimits } from "../limits.ts";

/** `note`: works, and somebody may want to know. */
export interface Finding {
  readonly name: string;
  readonly state: "ok" | "note" | "bad";
  /** What was found; of a `bad` one, also what to do. */
  readonly said: string;
}

export interface Machine {
  readonly nodeVersion: string;
  readonly nodePath: string;
  readonly home: string;
  exists(path: string): boolean;
  /** Whether we may make files there. */
  isWritable(path: string): boolean;
  freeBytes(path: string): number;
  /** Undefined: there is none, or it can't be read. */
  readText(path: string): string | undefined;
  /** Undefined: it can be listened on; else why not. */
  listenProblem(host: string): Promise<string | undefined>;
  /** Its path. @throws Error that says what to do when there is none */
  kubectl(): Promise<string>;
}

export async function checkMachine(machine: Machine): Promise<readonly Finding[]> {
  return [
    { name: "node", state: "ok", said: `${machine.nodeVersion} (${machine.nodePath})` },
    checkHome(machine),
    await checkAddresses(machine),
    await checkKubectl(machine),
    ...checkWatches(machine),
  ];
}

function checkHome(machine: Machine): Finding {
  const { home } = machine;
  let there = home;
  while (!machine.exists(there) && there !== dirname(there)) there = dirname(there);
  const name = "state";
  if (!machine.isWritable(there)) {
    const what = there === home ? home : `${home} can't be made: ${there}`;
    return {
      name,
      state: "bad",
      said: `${what} can't be written: mend its mode, or set WHERRY_HOME to a folder of yours`,
    };
  }
  const free = machine.freeBytes(there);
  const text = `${Math.floor(free / 1_048_576)} MiB are free in ${there}`;
  if (free < cliLimits.doctorFreeBytesMin)
    return {
      name,
      state: "bad",
      said: `${text}: a cluster needs ${cliLimits.doctorFreeBytesMin / 1_048_576}; make room, or set WHERRY_HOME`,
    };
  return { name, state: "ok", said: `${home}; ${text}` };
}

/** Each pod has an address of its own in 127.0.0.0/8: Linux has all of them, others must be told of each. */
async function checkAddresses(machine: Machine): Promise<Finding> {
  const address = "127.254.254.254";
  const problem = await machine.listenProblem(address);
  const name = "addresses";
  return problem === undefined
    ? { name, state: "ok", said: "all of 127.0.0.0/8 can be listened on" }
    : {
        name,
        state: "bad",
        said: `${address} can't be listened on (${problem}): pods need addresses of their own, which Linux has in 127.0.0.0/8`,
      };
}

async function checkKubectl(machine: Machine): Promise<Finding> {
  const name = "kubectl";
  try {
    return { name, state: "ok", said: await machine.kubectl() };
  } catch (error) {
    return { name, state: "note", said: (error as Error).message };
  }
}

/** Logs of pods are followed by them. */
function checkWatches(machine: Machine): readonly Finding[] {
  const name = "watches";
  const file = "/proc/sys/fs/inotify/max_user_watches";
  const most = Number(machine.readText(file));
  if (!Number.isInteger(most) || most === 0) return [];
  if (most >= cliLimits.doctorWatchesMin) return [{ name, state: "ok", said: `${most} files can be watched` }];
  const todo = `sysctl fs.inotify.max_user_watches=${cliLimits.doctorWatchesMin * 8}`;
  return [
    { name, state: "note", said: `only ${most} files can be watched, and logs of many pods may come late: ${todo}` },
  ];
}
