// Which TCP ports are listened on at an address of this machine, as Linux tells everybody. Reads /proc; connects to nothing.
import { readFileSync } from "node:fs";

const listen = "0A";

/** Sorted; undefined where the kernel does not tell. What listens on all addresses is not counted: it is not a pod's. */
export function listeningPorts(address: string): readonly number[] | undefined {
  try {
    const tables = [readFileSync("/proc/net/tcp", "utf8"), readIfThere("/proc/net/tcp6")];
    return portsIn(tables.join("\n"), address);
  } catch {
    return undefined;
  }
}

/** @param table lines as `  0: 0100007F:1F90 00000000:0000 0A …`: addresses in the machine's byte order. https://docs.kernel.org/networking/proc_net_tcp.html */
export function portsIn(table: string, address: string): readonly number[] {
  const parts = address.split(".").map(Number);
  if (parts.length !== 4) return [];
  const hex = parts
    .toReversed()
    .map((part) => part.toString(16).padStart(2, "0"))
    .join("")
    .toUpperCase();
  const wanted = new Set([hex, `0000000000000000FFFF0000${hex}`]);
  const found = new Set<number>();
  for (const line of table.split("\n")) {
    const [, local = "", , state] = line.trim().split(/\s+/);
    const [host = "", port = ""] = local.split(":");
    if (state === listen && wanted.has(host)) found.add(Number.parseInt(port, 16));
  }
  return [...found].sort((a, b) => a - b);
}

/** A machine without IPv6 has no such table. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
