// Which process holds a message, in words that another process of this machine can check: without waiting for a lease to run
// out, the messages of a killed pod come back at once. Reads /proc; where there is none, or the other process is in another
// container, nothing is known, and the lease decides.
import { readFileSync, readlinkSync } from "node:fs";

/** `boot-id pid-namespace pid start-time`; a pid alone is reused, and means something else in another container. */
export function ownIdentity(): string {
  const namespace = readLink("/proc/self/ns/pid") ?? "unknown";
  return [bootId(), namespace, process.pid, startTime(process.pid) ?? "unknown"].join(" ");
}

/** Is the process of this identity certainly dead? `undefined`: it cannot be known from here. */
export function isGone(identity: string, own: string): boolean | undefined {
  const [boot = "", namespace = "", pid = "", started = ""] = identity.split(" ");
  const [ownBoot = "", ownNamespace = ""] = own.split(" ");
  if ([boot, namespace, started].includes("unknown") || boot === "" || ownBoot === "unknown") return undefined;
  // Another boot: another machine, or this one before it was started anew. Only the lease knows.
  if (boot !== ownBoot || namespace !== ownNamespace) return undefined;
  return startTime(Number(pid)) !== started;
}

function bootId(): string {
  return readText("/proc/sys/kernel/random/boot_id")?.trim() ?? "unknown";
}

/** When a process was started, in clock ticks since the boot: field 22 of proc(5)'s `stat`. Undefined: dead, or a zombie. */
function startTime(pid: number): string | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  // The second field is the command in parentheses, and may hold anything.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields === undefined || fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
